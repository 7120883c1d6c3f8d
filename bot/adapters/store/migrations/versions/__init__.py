"""`sN_what.py` leads from the schema before to schema N. The first store was of schema 1 and needs none."""
