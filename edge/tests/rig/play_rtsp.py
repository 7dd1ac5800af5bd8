"""Cameras that wait for clients: plays each of the films that it is given by RTSP, and prints their
addresses.

python play_rtsp.py RATE FILM...
"""

import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from rig.rtsp import Rtsp

for film in sys.argv[2:]:
    print(Rtsp(Path(film), int(sys.argv[1])).url, flush=True)
threading.Event().wait()
