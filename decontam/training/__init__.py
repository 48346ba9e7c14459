"""What makes the artefacts that the package ships, from data that it does not ship."""
