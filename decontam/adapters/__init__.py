"""Doors: what other programs pipe documents through. An adapter translates in, screens, translates out."""
