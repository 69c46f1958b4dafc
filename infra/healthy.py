#!/usr/bin/env python3
"""Exit 0 if a GET of the URL is answered with success within three seconds, else 1: the health check of the images."""

import sys
import urllib.request

try:
    with urllib.request.urlopen(sys.argv[1], timeout=3):
        pass
except OSError as error:
    sys.exit(f"{sys.argv[1]}: {error}")
