"""A page of ours, taken apart."""

import base64
import json
import zlib
from html.parser import HTMLParser


class Read(HTMLParser):
    """Elements of a page: (tag, attributes, text)."""

    def __init__(self, page):
        super().__init__()
        self.elements, self.inside = [], False
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.elements.append([tag, dict(attributes), ""])
        self.inside = True

    def handle_endtag(self, _):
        self.inside = False

    def handle_data(self, data):
        if self.inside:
            self.elements[-1][2] += data

    def of(self, tag):
        return [element for element in self.elements if element[0] == tag]

    def script(self, name):
        (found,) = (text for _, attributes, text in self.of("script") if attributes.get("id") == name)
        return found

    @property
    def facts(self):
        return json.loads(self.script("facts"))

    def blob(self, name):
        data = base64.b64decode(self.script(name), validate=True)
        (coding,) = (a["data-coding"] for _, a, _ in self.of("script") if a.get("id") == name)
        return zlib.decompress(data) if coding == "deflate" else data
