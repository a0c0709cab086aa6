"""Lesson 04: its quiz."""

from dartsedu.lessons.guess import Question, Quiz

QUIZ = Quiz(
    [
        Question(
            "Somebody adds 5 to the α of `none` on every edge. Which rules may derive another "
            "cell?",
            "`argmax`, `paper` and `shared-predecessor`",
            "`argmax` gives the edges to none; for the two others every strength shrinks, and not"
            " all by the same factor.",
            {
                "all six": (
                    "`raw-alpha`, `none-excluded` and `threshold` leave none out before they "
                    "compare: they do not see the change."
                ),
                "none of them, since none cannot win": (
                    "It cannot win by the paper's rule, but it stands in the denominator of every"
                    " strength."
                ),
                "`argmax` only": (
                    "There none wins. But it also weakens the edges of the rules that keep it in "
                    "the sum."
                ),
            },
        ),
        Question(
            "A supernet scores 98 %, cut to its genotype 45 %. A random cell, trained from "
            "scratch, scores 97 %. What do you know about the genotype?",
            "hardly anything yet",
            "98 % is the mixture's, 45 % that of weights trained for a mixture. Train it from "
            "scratch, several times.",
            {
                "it is worse than the random cell": (
                    "45 % is measured with the w of the mixture, 97 % after a training of its "
                    "own: they cannot be compared."
                ),
                "the search has failed": (
                    "Every search of this lesson's record had a wide gap, and left cells that "
                    "trained as well as random ones."
                ),
                "it is better, since the supernet reached 98 %": (
                    "98 % is what all operations together can do. The genotype keeps a few of them."
                ),
            },
        ),
        Question(
            "Why does cooling α to T → 0 not lead to the paper's cell?",
            "a temperature chooses on each edge, but never between edges",
            "softmax within an edge cannot drop the edge. And none may win.",
            {
                "the temperature was not low enough": (
                    "At T = 0.01 each edge has decided. It is the kind of choice that differs."
                ),
                "w would have to be trained at each temperature": (
                    "That would change the accuracy, not the cell: the order of α is the same at "
                    "every T."
                ),
            },
        ),
        Question(
            "A hasty α leaves a narrow gap, a patient one a wide gap. Which cell do you train?",
            "both: the gap does not say",
            "In twenty searches of either kind the hasty cells, trained from scratch, were not "
            "worse.",
            {
                "the hasty one: its accuracy survives": (
                    "What survives is the accuracy of weights that were trained for little but "
                    "this cell. Any cell could have that."
                ),
                "the patient one: its mixture is better": (
                    "The mixture does not come along when the cell is cut out."
                ),
            },
        ),
    ]
)
