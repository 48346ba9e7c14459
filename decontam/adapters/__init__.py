"""Adapters: the doors of hosts. Each translates in, screens, and translates out; none looks at content."""
