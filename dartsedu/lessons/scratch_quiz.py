"""Lesson 05: its quiz."""

from dartsedu.lessons.guess import Question, Quiz

QUIZ = Quiz(
    [
        Question(
            "A paper trains its cell ten times and reports 2.8 ± 0.1 %, and one random cell with "
            "3.3 %. What does the ± not contain?",
            "that another search would find another cell",
            "Only the training was repeated. The luck of the cell, on either side, is not in it; "
            "nor is that of the test set.",
            {
                "that another seed gives another number": (
                    "That is the one thing that was repeated, ten times."
                ),
                "nothing: it is the error of the method": (
                    "It is the error of the mean of one cell's trainings. The method was used once."
                ),
                "the spread of single trainings": (
                    "The spread is what the ± is made of, divided by the root of ten if it is a "
                    "standard error."
                ),
            },
        ),
        Question(
            "An interval for found − random is −0.8 to +2.1 points. What may you say?",
            "we cannot tell which is better",
            "Zero is inside, and so is +2. More searches and more random cells would narrow it.",
            {
                "the search is useless": ("A gain of two points is inside the interval, too."),
                "they are equally good": (
                    "Holding zero is no proof of zero: −0.8 and +2.1 are as compatible."
                ),
                "found is better, since most of the interval is above zero": (
                    "That is not what a 95 % interval promises, and a search is not better by a "
                    "share of an interval."
                ),
            },
        ),
        Question(
            "You try 30 settings of a search and report the test accuracy of the best. What is "
            "wrong?",
            "it was chosen by the number that is reported",
            "The best of 30 is lucky as well as good. Choose by a validation split, test the "
            "chosen one once.",
            {
                "30 are too few": (
                    "More settings make it worse: the best of more is luckier still."
                ),
                "nothing, if all are trained alike": (
                    "The leaderboard at the top had candidates that were alike in everything, and"
                    " a leader all the same."
                ),
                "the mean should be reported": (
                    "The mean of all says what a setting does on average, not what the chosen one"
                    " does."
                ),
            },
        ),
        Question(
            "When does it help to subtract in pairs?",
            "when the two of a pair share what makes scores differ, such as the cell",
            "What they share drops out. If they share nothing that matters, half of the degrees "
            "of freedom are lost for nothing.",
            {
                "whenever there are as many of either kind": (
                    "Found cell 3 and random cell 3 share a number, which is nothing."
                ),
                "when the interval gets narrower by it": (
                    "To choose what gives the nicer interval is to choose by luck. Decide before."
                ),
                "never: it throws away half of the numbers": (
                    "It loses degrees of freedom, but with shared luck gone the interval may be "
                    "several times as narrow."
                ),
            },
        ),
    ]
)
