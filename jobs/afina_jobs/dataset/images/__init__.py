"""Images with labels: judged, told apart, and kept with what is measured of them."""
