"""Forms in which tools and data sets have tracks and crops, a file each."""
