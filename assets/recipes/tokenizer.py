"""The word-level tokenizer of the scenes model: a small vocabulary, and the words that are folded onto it.

Synonyms and plurals ("puppies", "photograph", "grey") become one word before they are looked up, so they cost the model
nothing to learn. A two-word name is one token, written with an underscore inside the vocabulary and a space in answers.
Any other word is `<unk>`, which is how the app can name it.
"""

from __future__ import annotations

from tokenizers import AddedToken, Regex, Tokenizer, decoders, normalizers, pre_tokenizers, processors
from tokenizers.models import WordLevel
from transformers import PreTrainedTokenizerFast

from .categories import CATEGORIES, COLOURS, NAMES

COUNTS = ("one", "two", "three", "four", "five")
ROWS, COLUMNS = ("top", "middle", "bottom"), ("left", "center", "right")
CONTACT = ("touch", "apart")
SPECIAL = ("<pad>", "<unk>", "<s>", "</s>", "<image>", "USER:", "ASSISTANT:")
ANSWERS = ("Yes", "No")
GRAMMAR = (
    "a", "above", "an", "and", "are", "at", "below", "can", "color", "do", "how", "in", "is", "many", "objects", "of",
    "on", "picture", "see", "side", "the", "there", "things", "this", "to", "what", "where", "you", "zero",
)  # fmt: skip
MORE = (  # learnt later; new words come last, so that an older checkpoint can be taken further
    *CONTACT,
    "about", "all", "anything", "anywhere", "appear", "as", "between", "briefly", "check", "colored", "contact",
    "contain", "could", "count", "describe", "detail", "direct", "does", "each", "everything", "exactly",
    "find", "found", "give", "got", "has", "have", "hello", "here", "higher", "i", "if", "it", "item", "kind",
    "know", "like", "list", "located", "look", "lower", "make", "me", "more", "name", "now", "number", "only",
    "or", "other", "part", "physical", "placed", "please", "position", "present", "say", "seen", "show", "so",
    "somewhere", "spot", "stand", "such", "tell", "than", "thanks", "that", "total", "true", "visible", "want",
    "was", "we", "whether", "which", "with", "would",
)  # fmt: skip
FOLDED = {  # word: regular expression of what is read as it, in this order
    "briefly": (
        r"(?:please )?(?:just |simply )?answer (?:(?:the|this|my) question )?(?:briefly|(?:with |using |in )?"
        r"(?:only |just )?(?:a |one )?(?:yes or no|(?:single )?word(?: or phrase)?|number word|number))"
    ),
    "picture": "pictures?|images?|imgs?|photos?|photographs?|scenes?|pics?|drawings?|illustrations?",
    "color": "colors?|colours?",
    "colored": "coloured",
    "gray": "grey",
    "center": "centre",
    "a": "any|some",
    "things": "thing|stuff",
    "objects": "object",
    "item": "items",
    "above": "over|atop",
    "below": "beneath|under|underneath",
    "touch": "touches|touching|touched",
    "contain": "contains|containing|include|includes",
    "show": "shows|shown|depict|depicts|depicted|display|displayed|displays",
    "appear": "appears|appearing",
    "have": "having",
    "name": "names",
    "describe": "description|caption|summarize|summarise",
    "list": "enumerate",
    "spot": "notice|identify|detect|recognize|recognise",
    "hello": "hi|hey|hiya",
    "see": "sees|seeing",
    "stand": "stands|standing",
    "look": "looks|looking",
    "located": "situated|positioned",
}
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{% if message['role'] == 'user' %}{{ 'USER: ' }}"
    "{% for part in message['content'] if part['type'] == 'image' %}{{ '<image>\n' }}{% endfor %}"
    "{% for part in message['content'] if part['type'] == 'text' %}{{ part['text'] }}{% endfor %}{{ ' ' }}"
    "{% else %}{{ 'ASSISTANT: ' }}"
    "{% for part in message['content'] if part['type'] == 'text' %}{{ part['text'] }}{% endfor %}{{ '</s>' }}"
    "{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}"
)


def token(word: str) -> str:
    """How a name is written in the vocabulary."""
    return word.replace(" ", "_")


def vocabulary() -> dict[str, int]:
    """Every token and its id; names and colours stand in the order of categories.py."""
    words = [*SPECIAL, *ANSWERS, *map(token, NAMES), *COLOURS, *COUNTS, *ROWS, *COLUMNS, *GRAMMAR, *MORE]
    return {word: index for index, word in enumerate(dict.fromkeys(words))}


def build_tokenizer() -> PreTrainedTokenizerFast:
    """A standard fast tokenizer: `<s>` in front, padding on the left, unknown words become `<unk>`."""
    tokenizer = Tokenizer(WordLevel(vocabulary(), unk_token="<unk>"))
    folds = [(category.words, token(category.name)) for category in sorted(CATEGORIES, key=_specific_first)]
    folds += [(words, word) for word, words in FOLDED.items()]
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.NFKC(),
            normalizers.Lowercase(),
            normalizers.Replace(Regex(r"[’`]"), "'"),
            normalizers.Replace("'s", " is"),
            normalizers.Replace(Regex(r"[?!.,;:\"()'/-]"), " "),
            normalizers.Replace(Regex(r" +"), " "),
            *(normalizers.Replace(Regex(rf"\b(?:{words})\b"), word) for words, word in folds),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.decoder = decoders.Sequence([decoders.Replace("_", " "), decoders.WordPiece(prefix="##", cleanup=False)])
    tokenizer.add_special_tokens([AddedToken(word, normalized=False, special=True) for word in SPECIAL])
    tokenizer.add_tokens([AddedToken(word, normalized=False, single_word=True) for word in ANSWERS])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", tokenizer.token_to_id("<s>"))]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        pad_token="<pad>",
        padding_side="left",
        model_max_length=1024,
        clean_up_tokenization_spaces=False,
        extra_special_tokens={"image_token": "<image>"},
        chat_template=CHAT_TEMPLATE,
    )


def _specific_first(category) -> bool:
    """Two-word names before the words they contain ("hot dog" before "dog")."""
    return " " not in category.name
