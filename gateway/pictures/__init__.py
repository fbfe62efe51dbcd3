"""Pictures out of recorded video: stills, and whatever else looks at key frames. See README.md."""
