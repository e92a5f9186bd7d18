"""An exported model: its files, how they are read, and what they say of rows.

`jobs` writes such a folder and `serving` reads it, so what both must agree on lies here. No file runs anything when it
is read, and none needs scikit-learn or pandas:

model.json      the members and how they are combined, calibration, uncertainty
features.json   the pipeline
reference.json  what the rows were like that it learned from
images.json     what the images were like, if columns were measured of such
member-N.*      the models, each in its family's format
"""
