"""Lesson 07: its quiz."""

from dartsedu.lessons.guess import Question, Quiz

QUIZ = Quiz(
    [
        Question(
            "A mixture has the error 0.10, its argmax 0.90, the argmax refitted 0.11. Was the "
            "choice of functions bad?",
            "no: they can say nearly what the mixture said",
            "The 0.90 came from coefficients that belonged to the mixture.",
            {
                "yes: 0.90 is nine times the mixture's error": (
                    "That error is of the old w. Refitted, the same functions have 0.11."
                ),
                "yes: 0.11 is worse than 0.10": (
                    "By less than such errors wander from data to data, and with far fewer "
                    "constants."
                ),
                "it depends on α": (
                    "α has chosen already. What counts now is what the functions can say."
                ),
            },
        ),
        Question(
            "Your search finds the law in 9 of 10 data sets. What is missing before you praise it?",
            "how often as many random graphs find it",
            "With the same refit and the same rule of choice. That is the yardstick.",
            {
                "the tenth data set": (
                    "Nine of ten may be good or bad: it depends on what chance does."
                ),
                "more restarts": ("They would help search and chance alike."),
                "a smaller learning rate": (
                    "It might change the nine. It would not say what nine are worth."
                ),
            },
        ),
        Question(
            "On stimuli from 1 to 5, a power with the exponent 0.04 has a slightly smaller error "
            "than a logarithm. Which law do you report?",
            "both, and that these data do not tell them apart",
            "The rule prefers the logarithm, which has a constant less. A range from 1 to 1000 "
            "would be the next experiment.",
            {
                "the power: its error is smaller": (
                    "Slightly smaller is what a third constant gives for nothing."
                ),
                "the logarithm, since nature likes it": ("Perhaps; but the data have not said so."),
                "neither": ("Both predict well in this range. What is open is what lies behind."),
            },
        ),
        Question(
            "Why is ln continued by a straight line below 0.001, and not by a constant?",
            "a constant has no slope: nothing would lead back",
            "The line keeps the value finite and its slope says in which direction the logarithm "
            "is defined.",
            {
                "a constant would give nan": (
                    "It is finite. Its slope of 0 is what is wrong with it."
                ),
                "the line is nearer to the logarithm": (
                    "Just below 0.001 it is nearer, but that is not the point: ln goes to minus "
                    "infinity."
                ),
                "it makes the law simpler": (
                    "The guard is no part of the law. It is there for the search."
                ),
            },
        ),
    ]
)
