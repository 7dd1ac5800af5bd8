"""How are DeepStack's and CodeProject.AI's face routes said? `/v1/vision/face*`: forms with files, and a key in them.

The page for users: docs/deepstack.md.
"""
