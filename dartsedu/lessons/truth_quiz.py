"""Lesson 08: its quiz."""

from dartsedu.lessons.guess import Question, Quiz

QUIZ = Quiz(
    [
        Question(
            "In another table a search finds a cell of rank 300 of 5,000 whose regret is 0.5 "
            "points. Good or bad?",
            "good: hundreds of cells are nearly as good as the best",
            "Where many good cells lie close together a rank says little. The regret says what was "
            "lost: half a point.",
            {
                "bad: 299 cells are better": (
                    "Better by how much? Half a point at the most, far less than the trainings of "
                    "one cell differ."
                ),
                "one cannot say without the accuracy": (
                    "The regret is the accuracy, measured from the best cell."
                ),
            },
        ),
        Question(
            "Random search looks at validation accuracy and is judged by test accuracy. Why not "
            "choose by test accuracy, since the table has it?",
            "the best of many by test accuracy is also the luckiest: its number would be too good",
            "What a choice has looked at cannot judge it (lesson 05). The table makes cheating "
            "easy, no more.",
            {
                "validation accuracy is the more exact": (
                    "Neither is. They are different images, and only one may be used to choose."
                ),
                "it makes no difference with a table": (
                    "It does: a strategy that reads the test column is judged by what it was "
                    "tuned on."
                ),
            },
        ),
        Question(
            "The supernet's ranking has τ = 0.5 over all cells and 0.1 over the better half. What "
            "may it be used for?",
            "to sort out bad cells, not to pick the best",
            "Most of τ comes from pairs of a good and a bad cell. Among good ones it is close to "
            "tossing a coin.",
            {
                "to pick the best cell: τ is clearly positive": (
                    "The best cell is picked among good ones, and there τ is 0.1."
                ),
                "for nothing: τ should be 1": (
                    "Bad cells are told from good ones, which may save many trainings."
                ),
            },
        ),
        Question(
            "Your search beats random cells by ten standard errors, and the cell that everybody "
            "would have tried first is as good as what it finds. What do you report?",
            "both, in one table",
            "The search works, and here it was not needed. A reader who learns only one of the two "
            "is misled.",
            {
                "the ten standard errors: random cells are the fair baseline": (
                    "They are one baseline. Nobody in need of a good cell would draw one."
                ),
                "nothing: the search has failed": (
                    "It found, without being told, what people know from experience. On other data "
                    "they may not know."
                ),
            },
        ),
        Question(
            "A colleague has tried forty settings of a search on a table and reports the best mean "
            "rank. What is missing?",
            "other data: the settings were fitted to this table",
            "Forty settings are forty candidates, chosen by the truth itself. Choose on one table, "
            "report on another.",
            {
                "an interval over seeds": (
                    "It would be good to have, but each setting was chosen on the same table, so "
                    "the interval would be around a lucky mean."
                ),
                "nothing: ranks in a full table are exact": (
                    "The ranks are. That the best of forty settings is better is not."
                ),
            },
        ),
    ]
)
