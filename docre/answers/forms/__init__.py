"""The forms of answers, one file each."""
