from pathlib import Path
import json
FILE = Path(__file__).with_name("figures.json")
def read_json():
    return json.loads(FILE.read_text()) if FILE.exists() else {}
