"""How are DeepStack's and CodeProject.AI's face routes said? `/v1/vision/face*`: forms with files, and a key in them.

routes: the operations, and whose call it is; errors; faces: the views. The page for users: docs/deepstack.md.
"""
