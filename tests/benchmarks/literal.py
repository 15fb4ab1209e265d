"""The official scorers read literally: counters and loops, one answer at a time, apart from the code under test."""

import re

import numpy as np


def amber_print(rows, truths):
    """inference.py, discriminative part. rows: (id, response); truths: id -> (type, truth)."""
    short = {
        "discriminative-attribute-state": "as",
        "discriminative-attribute-number": "an",
        "discriminative-attribute-action": "aa",
        "discriminative-hallucination": "ha",
    }
    m = {}

    def add(counter, kind):
        for prefix in ("", short.get(kind, "asso")):
            m[prefix, counter] = m.get((prefix, counter), 0.001 if counter.endswith("num") else 0) + 1

    for number, response in rows:
        kind, truth = truths[number]
        add("correct_num", kind)
        if truth == "yes":
            if response == "Yes":
                add("correct_score", kind)
        else:
            add("no_num", kind)
            if response == "No":
                add("correct_score", kind)
                add("no_score", kind)
        if response == "No":
            add("ans_no_num", kind)
            if truth == "no":
                add("ans_no_score", kind)

    def ratio(prefixes, score, num):
        top = sum(m.get((p, score), 0) for p in prefixes)
        return round(top / sum(m.get((p, num), 0.001) for p in prefixes) * 100, 1)

    def printed(prefixes, eps):
        accuracy = ratio(prefixes, "correct_score", "correct_num")
        p, r = ratio(prefixes, "ans_no_score", "ans_no_num"), ratio(prefixes, "no_score", "no_num")
        f1 = round(2 * (p / 100) * (r / 100) / ((p / 100) + (r / 100) + eps) * 100, 1)
        return {"accuracy": accuracy, "precision": p, "recall": r, "f1": f1}

    groups = {"All": [""], "Existence": ["ha"], "Attribute": ["as", "an", "aa"], "State": ["as"], "Number": ["an"]}
    groups |= {"Action": ["aa"], "Relation": ["asso"]}
    return {name: printed(p, 0.001 if name == "Existence" else 0.0001) for name, p in groups.items()}


def pope_reads(text):
    if text.find(".") != -1:
        text = text.split(".")[0]
    text = text.replace(",", "")
    words = text.split(" ")
    return "no" if "No" in words or "not" in words or "no" in words else "yes"


def pope_print(texts, labels):
    tp = fp = tn = fn = 0
    for text, label in zip(texts, labels, strict=True):
        said = pope_reads(text)
        tp += said == "yes" and label == "yes"
        fp += said == "yes" and label == "no"
        tn += said == "no" and label == "no"
        fn += said == "no" and label == "yes"
    precision, recall = float(tp) / float(tp + fp), float(tp) / float(tp + fn)
    f1 = 2 * precision * recall / (precision + recall)
    return {"accuracy": (tp + tn) / (tp + tn + fp + fn), "precision": precision, "recall": recall, "f1": f1}


def rbench_print(answer_rows, question_rows, ids):
    answers = {row["question_id"]: row["text"] for row in answer_rows}
    labels = {row["question_id"]: row["label"] for row in question_rows}
    tp = fp = tn = fn = 0
    for number in ids:
        if number not in answers:
            continue
        said = pope_reads(answers[number]) == "yes"
        true = not (labels[number] and "no" in labels[number].lower())
        tp, fp, tn, fn = (
            tp + (said and true),
            fp + (said and not true),
            tn + (not said and not true),
            fn + (not said and true),
        )
    precision = float(tp) / float(tp + fp + 0.00001)
    recall = float(tp) / float(tp + fn + 0.00001)
    f1 = 2 * precision * recall / (precision + recall + 0.00001)
    return {"accuracy": (tp + tn) / (tp + tn + fp + fn), "precision": precision, "recall": recall, "f1": f1}


def mme_print(folder, tasks):
    """calculation.py on a results folder."""
    scores, total = {}, 0
    for task in tasks:
        lines = (folder / f"{task}.txt").read_text().splitlines(keepends=True)
        chunks = [lines[i : i + 2] for i in range(0, len(lines), 2)]
        right, both = [], 0
        for chunk in chunks:
            assert len(chunk) == 2
            correct = 0
            for line in chunk:
                _, _, gold, said = line.split("\t")
                gold, said = gold.lower(), said.lower()
                if said not in ["yes", "no"]:
                    start = said[:4]
                    said = "yes" if "yes" in start else "no" if "no" in start else "other"
                right.append(gold == said)
                correct += gold == said
            both += correct == 2
        accuracy, plus = sum(right) / len(right), both / len(chunks)
        score = 0
        for value in (accuracy, plus):
            score += value * 100
        scores[task] = {"accuracy": accuracy, "accuracy_plus": plus, "score": score}
        total += score
    return scores | {"total": total}


def _score_of_lmms(results):
    """pope_aggregate_* of lmms-eval @75571cf, tasks/pope/utils.py; results: (prediction, ground truth)."""
    right = sum(1.0 if pred == gt else 0.0 for pred, gt in results)
    tp = fp = fn = yes_count = no_count = 0
    for pred, gt in results:
        if gt == "yes" and pred == "yes":
            tp += 1
        elif gt == "no" and pred == "yes":
            fp += 1
        if gt == "yes" and pred == "no":
            fn += 1
        if gt == "yes":
            yes_count += 1
        elif gt == "no":
            no_count += 1
    precision = tp / (tp + fp) if (tp + fp) > 0 else 0
    recall = tp / (tp + fn) if (tp + fn) > 0 else 0
    f1 = 2 * (precision * recall) / (precision + recall) if (precision + recall) > 0 else 0
    ratio = yes_count / (yes_count + no_count) if (yes_count + no_count) > 0 else 0
    scores = {"accuracy": right / len(results), "precision": precision, "recall": recall, "f1": f1}
    return scores | {"yes_ratio": ratio}


def pope_of_lmms(texts, labels):
    return _score_of_lmms([(text.lower().strip(), label) for text, label in zip(texts, labels, strict=True)])


def mme_of_lmms(rows):
    """mme_aggregate_results of lmms-eval @75571cf; rows: (category, picture, text, label) -> category -> score."""
    by_picture = {}
    for category, picture, text, label in rows:
        said = text.lower().strip().replace(".", "")
        if said in ["yes", "no"]:
            read = said
        elif len(said) == 1:
            read = "yes" if said == "y" else "no" if said == "n" else "other"
        else:
            start = said[:4]
            read = "yes" if "yes" in start else "no" if "no" in start else "other"
        by_picture.setdefault(category, {}).setdefault(picture, []).append(1.0 if read == label else 0.0)
    averages = {}
    for category, pictures in by_picture.items():
        total = 0
        for scores in pictures.values():
            assert len(scores) == 2
            total += (sum(scores) == 2) * 100.0 + sum(scores) / len(scores) * 100.0
        averages[category] = total / len(pictures)
    return averages | {"total": sum(averages.values())}


def vlmeval_reads(text):
    """YOrN_Extraction with process_punctuation of VLMEvalKit @e8e78f0, as it stands there."""
    given = text.lower()
    out = given
    punct = [";", r"/", "[", "]", '"', "{", "}", "(", ")", "=", "+", "\\", "_", "-", ">", "<", "@", "`", ",", "?", "!"]
    for p in punct:
        if (p + " " in given or " " + p in given) or (re.search(r"(\d)(,)(\d)", given) is not None):
            out = out.replace(p, "")
        else:
            out = out.replace(p, " ")
    words = re.sub(r"(?<!\d)\.(?!\d)", "", out, count=int(re.UNICODE)).split()
    if "yes" in words and "no" not in words:
        return "Yes"
    if "yes" not in words and "no" in words:
        return "No"
    return "Unknown"


def pope_of_vlmeval(texts, labels):
    """POPE_rating of VLMEvalKit @e8e78f0, of answers that are all of one category."""
    answer, extracted = [label.capitalize() for label in labels], [vlmeval_reads(text) for text in texts]
    y_true = np.array([1 if i == "Yes" else 0 for i in answer])
    y_pred = np.array([1 if i == "Yes" else 0 for i in extracted])
    tp = sum((y_true == 1) & (y_pred == 1))
    fp = sum((y_true == 0) & (y_pred == 1))
    fn = sum((y_true == 1) & (y_pred == 0))
    precision = tp / (tp + fp) if (tp + fp) != 0 else 0
    recall = tp / (tp + fn) if (tp + fn) != 0 else 0
    f1 = 2 * (precision * recall) / (precision + recall) if (precision + recall) != 0 else 0
    accuracy = np.mean([a == e for a, e in zip(answer, extracted, strict=True)])
    return {"accuracy": accuracy, "precision": precision, "recall": recall, "f1": f1}
