"""The custom resources of Afina, one module a kind, and the generator of their CRDs.

The models are the only statement of the API: the CRDs in the chart, the reference in `docs/` and the
checks of `afina run` all come from them.
"""

GROUP = "afina.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
