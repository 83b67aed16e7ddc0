"""The page that shows runs to readers: frames and files in, one HTML file out."""
