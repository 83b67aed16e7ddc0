"""Networks as users have them, each measured by a few lines and by a loop written by hand."""
