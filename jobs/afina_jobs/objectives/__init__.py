"""How one set of parameters is evaluated: by a Python function, by a command, or by an objective of ours."""
