"""From bare video to a manifest: people found in pictures, followed through each video, kept as tracklets."""
