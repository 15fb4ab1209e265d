"""A recording: a folder of answers that the command `record` writes and the page shows; its names and its limits.

docs/recording.md says what is in it. Knows neither how one is made nor how it is checked.
"""

FORMAT = 1
ABOUT, PICTURES, QUESTIONS, PAYLOAD = "recording.json", "pictures", "questions", ".json.gz"
MAX_UNPACKED = 32 * 2**20  # bytes of one question: what the page reads of a file that may be anybody's
MAX_QUESTIONS = 2000
MAX_TEXT = 300  # characters of a title, a name, a licence, a source
