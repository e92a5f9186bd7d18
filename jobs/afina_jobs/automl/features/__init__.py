"""One fitted pipeline from columns to numbers, in training and in serving; its state is JSON."""
