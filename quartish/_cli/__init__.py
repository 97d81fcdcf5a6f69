"""Behind `quartish.cli`: finding the app, the options and groups of commands."""
