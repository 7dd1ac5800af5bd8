"""`regulars cost`: the service's costs on AWS, from measured use and dated public prices."""
