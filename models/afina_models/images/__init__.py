"""Images as numbers: the same in the Dataset that a model learns from and in the server that is asked about one.

Nearly every module here takes a second to import: whoever has no images leaves them alone.
"""
