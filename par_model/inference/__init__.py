"""The inference job: which tracklets, in which portions, through which stages, and how it ends."""
