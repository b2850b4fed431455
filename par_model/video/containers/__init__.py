"""Opening videos safely, and noticing what their demuxers pass over in silence."""
