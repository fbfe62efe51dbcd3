"""What the video rows stand on: cameras in a process of their own, recorders, recorded files."""
