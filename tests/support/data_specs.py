"""Datasets and AutoMLJobs that must be refused or accepted, read by two doors: the models and the API server."""

from typing import Any

from support.specs import Json, Refused, changed

GOOD_DATASET: Json = {
    "apiVersion": "afina.dev/v1alpha1",
    "kind": "Dataset",
    "metadata": {"name": "good"},
    "spec": {"source": {"configMap": {"name": "files", "key": "a.csv"}}, "format": "CSV"},
}
GOOD_AUTOML: Json = {
    "apiVersion": "afina.dev/v1alpha1",
    "kind": "AutoMLJob",
    "metadata": {"name": "good"},
    "spec": {"datasetRef": {"name": "good"}, "target": "price"},
}
_SOURCE = "spec.source"
_IMAGES = {"volume": {"claimRef": {"name": "lake"}, "path": "photos"}}

REFUSED_DATASETS: dict[str, Refused] = {
    "unknown field": Refused({"spec.path": "a.csv"}, "spec.path", "unknown field", "Extra inputs"),
    "no source": Refused({_SOURCE: {}}, _SOURCE, "a source is exactly one of"),
    "two sources": Refused({f"{_SOURCE}.http": {"url": "https://a/b"}}, _SOURCE, "a source is exactly one of"),
    "path that climbs out": Refused(
        {_SOURCE: {"volume": {"claimRef": {"name": "lake"}, "path": "a/../../b"}}},
        "spec.source.volume.path",
        "path may not climb out of the volume by ..",
    ),
    "absolute path": Refused(
        {_SOURCE: {"volume": {"claimRef": {"name": "lake"}, "path": "/etc"}}},
        "spec.source.volume.path",
        "should match",
        "should match",
    ),
    "file URL": Refused(
        {_SOURCE: {"http": {"url": "file:///etc/passwd"}}}, "spec.source.http.url", "should match", "should match"
    ),
    "bucket in capitals": Refused(
        {_SOURCE: {"s3": {"bucket": "Lake", "key": "a"}}}, "spec.source.s3.bucket", "should match", "should match"
    ),
    "unknown format": Refused({"spec.format": "XLSX"}, "spec.format", "supported values", "Input should be"),
    "images of a table": Refused({"spec.images": {}}, "spec", "images is for format Images only"),
    "images from a ConfigMap": Refused({"spec.format": "Images"}, "spec", "images come as a folder from s3 or from a"),
    "images from a web server": Refused(
        {"spec.format": "Images", _SOURCE: {"http": {"url": "https://a/b?c=d.zip"}}},
        "spec",
        "or in one file that ends in .zip",
    ),
    "features twice": Refused(
        {_SOURCE: _IMAGES, "spec.format": "Images", "spec.images": {"features": ["Classical", "Classical"]}},
        "spec.images.features",
        "Duplicate value",
        "names must be unique",
    ),
    "rule about nothing": Refused({"spec.validation": [{"min": 0}]}, "spec.validation[0]", "a rule names a column"),
    "rule upside down": Refused(
        {"spec.validation": [{"column": "a", "min": 2, "max": 1}]},
        "spec.validation[0]",
        "min must not be greater than max",
    ),
    "column twice": Refused(
        {"spec.columns": [{"name": "a", "type": "Text"}, {"name": "a", "type": "Text"}]},
        "spec.columns",
        "Duplicate value",
        "names must be unique",
    ),
    "name of 64 characters": Refused(
        {"metadata.name": "a" * 64}, "", "the name may have at most 63 characters", "at most 63"
    ),
}
ACCEPTED_DATASETS: dict[str, dict[str, Any]] = {
    "as it is": {},
    "S3": {_SOURCE: {"s3": {"bucket": "lake", "key": "a.csv", "endpointUrl": "http://s3:7070"}}},
    "HTTP": {_SOURCE: {"http": {"url": "https://data.example.com/a.csv?b=c"}}},
    "images": {_SOURCE: _IMAGES, "spec.format": "Images", "spec.images": {"minWidth": 64}},
    "images in an archive": {_SOURCE: {"configMap": {"name": "files", "key": "a.zip"}}, "spec.format": "Images"},
    "images in an archive on the web": {
        _SOURCE: {"http": {"url": "https://data.example.com/a.zip?b=c"}},
        "spec.format": "Images",
        "spec.images": {"features": []},
    },
    "every rule": {
        "spec.validation": [
            {"minRows": 10},
            {"column": "a", "type": "Numeric", "min": 0, "max": 1, "maxMissingShare": 0.1, "severity": "Warning"},
            {"column": "b", "allowed": ["x", "y"], "minClassShare": 0.1},
            {"column": "c", "unique": True, "maxAgeSeconds": 86_400},
        ]
    },
}

REFUSED_AUTOML: dict[str, Refused] = {
    "no target": Refused({"spec": {"datasetRef": {"name": "a"}}}, "spec.target", "Required value", "Field required"),
    "unknown field": Refused({"spec.label": "y"}, "spec.label", "unknown field", "Extra inputs"),
    "metric of another task": Refused(
        {"spec.task": "Regression", "spec.metric": "AUC"}, "spec", "the metric does not fit the task"
    ),
    "ranking without queries": Refused({"spec.task": "Ranking"}, "spec", "Ranking needs validation.groupColumn"),
    "groups and time": Refused(
        {"spec.validation": {"groupColumn": "a", "timeColumn": "b"}},
        "spec.validation",
        "folds follow groupColumn or timeColumn, not both",
    ),
    "one fold": Refused(
        {"spec.validation": {"folds": 1}},
        "spec.validation.folds",
        "greater than or equal to 2",
        "greater than or equal",
    ),
    "unknown model": Refused({"spec.models": ["SVM"]}, "spec.models[0]", "supported values", "Input should be"),
    "a second of search": Refused(
        {"spec.budget": {"timeSeconds": 1}},
        "spec.budget.timeSeconds",
        "greater than or equal to 10",
        "greater than or equal",
    ),
    "weights of 4 bits": Refused(
        {"spec.quantization": "Int4"}, "spec.quantization", "supported values", "Input should"
    ),
    "image with a space": Refused({"spec.image": "a b"}, "spec.image", "should match", "should match"),
}
ACCEPTED_AUTOML: dict[str, dict[str, Any]] = {
    "as it is": {},
    "ranking": {"spec.task": "Ranking", "spec.validation": {"groupColumn": "query"}},
    "metric of its task": {"spec.task": "Classification", "spec.metric": "AUC"},
    "everything": {
        "spec.models": ["Linear", "MLP"],
        "spec.budget": {"size": "Large", "maxModels": 100},
        "spec.constraints": {"p95Milliseconds": 5, "sizeBytes": 1_000_000},
        "spec.quantization": "Int8",
        "spec.registerAs": "houses",
        "spec.promotion": {"thresholds": [{"metric": "R2", "value": 0.8}]},
        "spec.limits": {"min": 0},
    },
}

REFUSED_DATA = {
    f"{good['kind']}: {name}": (good, case)
    for good, cases in ((GOOD_DATASET, REFUSED_DATASETS), (GOOD_AUTOML, REFUSED_AUTOML))
    for name, case in cases.items()
}
"""The object that every door lets in, and what is wrong with this one."""
ACCEPTED_DATA = {
    f"{good['kind']}: {name}": changed(good, changes)
    for good, cases in ((GOOD_DATASET, ACCEPTED_DATASETS), (GOOD_AUTOML, ACCEPTED_AUTOML))
    for name, changes in cases.items()
}
