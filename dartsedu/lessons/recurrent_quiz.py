"""Lesson 06: its quiz."""

from dartsedu.lessons.guess import Question, Quiz

QUIZ = Quiz(
    [
        Question(
            "A model has perplexity 60 on a text and somebody else's has 50. Which is better?",
            "not to be told before text, split, vocabulary and rare words are the same",
            "With a smaller vocabulary more words are `<unk>`, which is easy to tell.",
            {
                "the one with 50": ("If it was measured on the same words. Often it was not."),
                "the one with 60": ("Lower is better: it wavers among fewer words."),
                "neither: ten points are within the noise": (
                    "How far two trainings differ is one question. But first one has to know that"
                    " both were asked the same."
                ),
            },
        ),
        Question(
            "Why does `none` stand in the softmax, if a genotype never keeps it?",
            "it lets the supernet make a whole edge weak",
            "The strength of an edge is its largest share but that of none: an edge that none has"
            " most of is a weak predecessor.",
            {
                "it keeps the shares summing to 1": ("They would do so without it."),
                "it saves computing": (
                    "The mixture computes all others as well; none only takes away."
                ),
                "a node may listen to nothing": ("In this space every node keeps one predecessor."),
            },
        ),
        Question(
            "On the grammar a network is far below the floor on the test split. What do you look "
            "for?",
            "a mistake: test sentences that were learnt from, or a word that is seen before it is"
            " told",
            "Nothing can be below the floor in the long run. A little below, on a short text, is "
            "luck; far below is a mistake.",
            {
                "a paper to publish it in": (
                    "The floor is computed from the grammar itself. Nobody can tell dice better "
                    "than that."
                ),
                "a mistake in the formula of perplexity": (
                    "Possible, but then all models would be off alike, counting too."
                ),
                "a larger test split, to be sure": (
                    "A larger split narrows luck. It does not explain a wide distance."
                ),
            },
        ),
        Question(
            "A found cell has 50.0, a random one 53.7, an LSTM 43.8: a network each. What do you "
            "say about the search?",
            "nothing yet",
            "Two networks of one kind differ by as much as these. Means of several, with "
            "intervals, may say something.",
            {
                "it pays: found beats random": (
                    "In this lesson's record the other order is the commoner one, if you take one"
                    " of each."
                ),
                "it is useless: the LSTM is better": (
                    "The LSTM is the work of decades. The question was found against random."
                ),
                "it has found the best recurrent cell of its space": (
                    "It has found one of the many thousands of cells, judged as a mixture."
                ),
            },
        ),
    ]
)
