"""Examples that a small classifier can learn: things that are to be of some colour."""

COLOURS = ("blue", "green", "red", "white")
THINGS = ("car", "house", "coat", "door", "boat", "wall", "cup", "hat")
EXAMPLES = [
    (f"{start} the {colour} {thing}{end}", colour)
    for start in ("I want", "please sell me", "where can I find")
    for colour in COLOURS
    for thing in THINGS
    for end in ("", " today", ", please?")
]
