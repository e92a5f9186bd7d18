"""The study: where trials are kept, and what may be done to them."""
