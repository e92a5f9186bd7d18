"""Why an object is as it is: facts in, one cause with its evidence and the next step out. Pure."""
