"""The formats, one module each; `decontam.logs.FORMATS` lists them in order."""
