# %% [markdown]
# # 08 Does it pay?
#
# *45 minutes. The searches take a minute or two in all; every training is looked up in a table.*
#
# **You will be able to**
#
# - read a table of every cell of a space, and say where one cell stands among all
# - say what makes a landscape of cells fit for gradients
# - judge a search by rank and regret, beside chance, beside a walk and beside the obvious guess, at equal cost
# - name what a search gets wrong: how long it runs, by which rule it ends, what its shared weights say
# - say what one table of small digits allows you to conclude
#
# **You need** [03](03_search_a_cell.ipynb) (a search) and [05](05_from_scratch.ipynb) (intervals).

# %%
import torch
from IPython.display import display

from dartsedu import live
from dartsedu.lessons import rivals
from dartsedu.lessons import truth as lesson
from dartsedu.lessons import truth_checks as checks
from dartsedu.lessons.guess import predict
from dartsedu.lessons.truth_quiz import QUIZ
from dartsedu.truth import load_truth
from dartsedu.truth.pictures import landscape_figure

torch.set_num_threads(1)

# %% [markdown]
# ## 1 · A space without secrets
#
# In lesson 05 nobody could tell a found cell from a random one. Was the search bad, or were all cells alike? To know,
# one would have to train *every* cell. So take a space in which that can be done: the
# [cell](../docs/glossary.md#cell) of NAS-Bench-201 (Dong and Yang, 2020). One input, three
# [nodes](../docs/glossary.md#node), an [edge](../docs/glossary.md#edge) from every state to every later one: six
# edges. On each stands one of five operations, and nothing is cut. That makes $5^6 = 15{,}625$ cells. Many are the same
# graph in other words. Every *different* one has been trained from scratch on noisy digits of 8×8 pixels, three
# times, and tested: that is the **truth**, a table that comes with the package
# ([`load_truth`](dartsedu/truth/table.py:load_truth)).
#
# **Explorer.** Choose the operations. Which one matters, which one ruins everything? *One thing to find:* a cell among
# the best hundred.

# %%
truth = load_truth("bench-digits")
lesson.cell_explorer(truth)

# %% [markdown]
# The network around the cell is small and a little mean: its stem is a 1×1 convolution, so only the cell can look at
# neighbouring pixels. With that in mind, guess what three cells get right on the test images. (Chance is 10 %.)

# %%
display(*lesson.guesses(truth))

# %% [markdown]
# ## 2 · Where does a cell stand?
#
# Call $a(g)$ the **true accuracy** of the cell $g$: the mean of its three trainings on the test images. Two numbers say
# where $g$ stands among all cells $G$, its **rank** and its **regret**:
#
# $$\text{rank}(g) = 1 + \left|\{h \in G : a(h) > a(g)\}\right| \qquad \text{regret}(g) = \max_{h \in G} a(h) - a(g)$$
#
# Rank 1 is the best; cells of the same accuracy share a rank. In the package:
# [`Truth.standing`](dartsedu/truth/table.py:Truth.standing).
#
# **Exercise 1.** `accuracies` has the accuracy of every cell, `own` is that of one of them. Return `(rank, regret)`.


# %% tags=["exercise"]
def standing(accuracies, own):
    return ...


# %% [markdown]
# <details>
# <summary>Hint 1</summary>
#
# `accuracies > own` is an array of yes and no. Its sum counts the cells that are better.
#
# </details>
# <details>
# <summary>Hint 2</summary>
#
# For the best cell nothing is better: the sum is 0, the rank is 1, the regret is 0.
#
# </details>


# %% tags=["solution"]
def standing(accuracies, own):
    return 1 + (accuracies > own).sum(), accuracies.max() - own


# %% tags=["check"]
checks.check_standing(standing)

# %%
guess = lesson.cell(truth, "conv 3×3")
print(lesson.table(truth, {"best": truth.best, "all conv 3×3": guess, "median": truth.median}))
print("best:", lesson.written(truth, truth.best))
lesson.crowd_picture(truth, {"best": truth.best, "all conv 3×3": guess, "median": truth.median})

# %% [markdown]
# Is the table itself to be trusted? Only if cells differ by more than two trainings of one cell do. Spearman's
# [rank correlation](../docs/glossary.md#rank-correlation) of the first training with the second says how alike two
# tables would be that were made with other seeds.

# %%
spread = lesson.spread(truth)
assert spread.cells > 4 * spread.seeds
assert spread.agreement > 0.9
predict(
    "Cells are ranked by their first training, and again by their second. Spearman's correlation of the two?",
    spread.agreement,
    f"Standard deviation between cells {100 * spread.cells:.1f} points, between trainings of one cell "
    f"{100 * spread.seeds:.1f} points.",
    near=0.05,
)

# %% [markdown]
# > **Takeaway.** Where cells differ far more than seeds do, a search can be judged. In lesson 05 they did not.
#
# (The *best* cell is still partly lucky: the best of thousands, by three trainings each. Lesson 05, section 5.)
#
# ## 3 · Why should a gradient find its way?
#
# A search by gradient goes a little way at a time: a little more of one operation on one edge. That leads somewhere
# only if cells that are nearly the same are nearly as good. The **neighbours** of a cell differ from it on one edge.
#
# **Exercise 2.** A cell is a tuple of numbers, the operation of each edge, `0` to `operations - 1`. List its neighbours.


# %% tags=["exercise"]
def neighbours(cell, operations):
    return ...


# %% [markdown]
# <details>
# <summary>Hint 1</summary>
#
# Two loops: over the edges, and over the operations that are not there yet.
#
# </details>
# <details>
# <summary>Hint 2</summary>
#
# `(*cell[:edge], other, *cell[edge + 1:])` is the cell with another operation on one edge.
#
# </details>


# %% tags=["solution"]
def neighbours(cell, operations):
    return [
        (*cell[:edge], other, *cell[edge + 1 :])
        for edge in range(len(cell))
        for other in range(operations)
        if other != cell[edge]
    ]


# %% tags=["check"]
checks.check_neighbours(neighbours)

# %% [markdown]
# Now take a cell and change one edge, or two, … or all six. How much does its accuracy still tell about the accuracy of
# what you get? That is the correlation over all such pairs
# ([`alikeness`](dartsedu/lessons/truth.py:alikeness)). Draw it before you see it. (No edge changed: 1.)

# %%
alike = lesson.alikeness_line(truth)
assert alike.y[1] > 0.6 > 0.1 > alike.y[5]
predict(
    "How does it fall with the number of edges that change?", alike, panel=lesson.alikeness_panel()
)

# %% [markdown]
# DARTS assumes more than that. α of one edge knows nothing of the operations on the others: at the end every edge
# takes its best *by itself*, as if the truth were a **sum** over edges, with $\mu$ the mean of all cells and $f_e$ one
# number for each operation on the edge $e$:
#
# $$a(g) \approx \mu + \sum_{e=1}^{6} f_e(g_e)$$
#
# In a full table the best such sum can simply be read off
# ([`sum_of_edges`](dartsedu/lessons/truth.py:sum_of_edges)): $f_e(o)$ is the mean of all cells with $o$ on $e$, less
# $\mu$. Here it is, in points.

# %%
found = lesson.sum_of_edges(truth)
print(lesson.sum_table(truth, found))
assert found.best == guess
predict(
    "How much of the variance between cells does the sum explain?",
    100 * found.share,
    f"Hill tops, cells that no neighbour is better than: {len(lesson.tops(truth))} of {len(truth):,}.",
    unit=" %",
    near=10,
)

# %% [markdown]
# On every edge the 3×3 convolution is best by itself. So the sum's own choice is the obvious guess, all 3×3: good, and
# yet not among the best hundred. The best cells are made of what the sum leaves out, the interplay of edges.
#
# > **Takeaway.** Neighbours are alike, hill tops are few, and most of the differences add up edge by edge. That is a
# > landscape in which small steps, one edge at a time, lead somewhere. It need not be so in another space.
#
# ## 4 · A search, live
#
# The preset `bench-classroom`: the [supernet](../docs/glossary.md#supernet) mixes five operations on each of six edges,
# 64 steps. It would be over before you look, so it is slowed down. It knows nothing of the table, nor of the test
# images; only the view looks up, for you, where the cell stands that would be kept. **Guess first:** will it end in the
# better half, the best tenth, the best hundredth? Then press **Play**.

# %% tags=["nbval-ignore-output"]
run = live(rivals.bench_search(seed=0), truth=truth)
run.limit(8)
run

# %% tags=["nbval-ignore-output"]
await run.finished()
display(landscape_figure(truth, run.recording.steps, "paper"))
lesson.path_explorer(truth, run.recording)

# %% [markdown]
# The first picture is the path of the search among all cells. The explorer has it step by step: press **Play**. At every
# step you see the cells that would be kept if you stopped now, by two [rules](../docs/glossary.md#derivation-rule).
# *argmax* takes the largest α of an edge, whatever it is. *paper* never takes *none*
# ([`derive`](dartsedu/derivation.py:derive)).
#
# > **Takeaway.** In a second or two, from training images alone, a search goes from a middling cell to a good one. How
# > reliably, one run cannot say.
#
# ## 5 · Ten seeds against ten random cells
#
# One search is an anecdote. Ten are run here as one program
# ([`search_side_by_side`](dartsedu/spaces/build.py:search_side_by_side)): the same numbers, a fraction of the time.
# Beside them ten cells drawn from all, and ten from those that have *none* nowhere, since the rule *paper* never keeps
# it: part of a search's success may be that alone.
#
# With a table those draws are a waste. What a random cell is worth is *known*, the mean over all, and so is the obvious
# guess. Only the found cells still have a standard error.

# %% tags=["nbval-ignore-output"]
ten = rivals.searches(range(10))
steps = len(ten.accuracies)
scores = {
    "found": 100 * rivals.true_accuracies(truth, ten.alphas, "paper", [steps])[:, 0],
    "random": lesson.percent(truth, truth.sample(10)),
    "random, no none": lesson.percent(truth, truth.sample(10, none=False)),
}
print(rivals.verdicts(scores), rivals.known_verdicts(truth, scores["found"]), sep="\n")
assert rivals.lead_over(scores["found"], rivals.chance(truth, none=False)) > 4
rivals.groups_picture(truth, scores)

# %% [markdown]
# > **Takeaway.** Searching pays here: the lead over chance is many standard errors. About a quarter of it is nothing but
# > leaving *none* out. And the lead over the cell that everybody would have tried first is small: is it there on your
# > machine?
#
# ## 6 · Longer? And by which rule?
#
# In lesson 03 you could not see whether a longer search is a better one. Now you can: ten searches twice as long,
# and the truth of what each would keep along the way. **Draw first.**

# %% tags=["nbval-ignore-output"]
long = rivals.searches(range(10), "search.epochs=8")
at = list(range(8, 129, 8))
courses = {rule: rivals.true_accuracies(truth, long.alphas, rule, at) for rule in lesson.RULES}
assert (courses["paper"] > rivals.DEAD).all()
rivals.predict_course(courses["paper"], at, rivals.courses_picture(long, courses, at))

# %% tags=["nbval-ignore-output"]
print(rivals.rules_table(courses, at, (32, 64, 128)))

# %% [markdown]
# In the median the cells are as good as they get after a few dozen steps; a straggler may take longer. From there on the
# *supernets* (dotted) go on improving, and what they would leave behind hardly does. (They see the images that α moves on; the cell has to be trained anew.)
#
# Grey lines along the bottom are **dead cells**: *argmax* has put *none* where everything must pass, and the network
# knows nothing. *none* is cheap for a mixture: BatchNorm undoes the scale of what little gets through. For a cell it
# is fatal. *paper* cannot do that. A single dead cell makes the interval of *argmax* so wide that its mean
# says nothing; the median and the worst say more.
#
# > **Takeaway.** How long a search runs and by which rule it ends are parts of the search. Here: longer gains little, and
# > never keep *none*.
#
# ## 7 · Luck, and a walk, at the same price
#
# Two rivals need no supernet. **Random search** draws cells, trains each and keeps the one with the best *validation*
# accuracy. **Local search** walks: it trains neighbours until one is better, goes there, and so on. With a table both
# can be tried hundreds of times: every training is a look-up
# ([`random_search`](dartsedu/lessons/rivals.py:random_search),
# [`local_search`](dartsedu/lessons/rivals.py:local_search)). Validation accuracy guides them, test accuracy judges.
#
# **Exercise 3.** Write the walk. `neighbours(here)` lists places, `score(place)` costs a training. Go to the *first*
# neighbour that is better, then on from there; return the place where no neighbour is better.


# %% tags=["exercise"]
def climb(start, neighbours, score):
    return ...


# %% [markdown]
# <details>
# <summary>Hint 1</summary>
#
# `next((n for n in neighbours(here) if ...), None)` is the first neighbour for which something holds, or `None`.
#
# </details>
# <details>
# <summary>Hint 2</summary>
#
# *Better*, not *as good*: otherwise a walk on level ground never ends.
#
# </details>


# %% tags=["solution"]
def climb(start, neighbours, score):
    here = start
    while True:
        better = next((n for n in neighbours(here) if score(n) > score(here)), None)
        if better is None:
            return here
        here = better


# %% tags=["check"]
checks.check_climb(climb)

# %% [markdown]
# What does a search cost, in trainings? Each of its steps passes two batches through all operations of all edges.
# By the count of multiply-adds ([`price`](dartsedu/truth/comparison.py:price)) it costs as much as ten trainings. Which
# rival is ahead at that price?

# %% tags=["nbval-ignore-output"]
price = round(rivals.trainings(truth, steps))
assert price == 10
strategies = {
    "random search": rivals.random_search(truth, 120),
    "random search, no none": rivals.random_search(truth, 120, none=False),
    "local search": rivals.local_search(truth, 120),
}
lines = {"found, mean of ten": scores["found"].mean() / 100, "all conv 3×3": truth.accuracy(guess)}
assert max(reported[:, 99].mean() for reported in strategies.values()) < truth.accuracy(guess)
rivals.rivals_picture(strategies, lines, price)

# %% [markdown]
# A walk pays for every look, up to 24 for a single step, so at first it is behind; with some thirty trainings it has
# caught up. None of the rivals is as good as the searches in the mean, not even at ten times their price. Here a gradient
# is worth its cost. And then there is the dotted line: *all conv 3×3* costs one training and no search at all. Up to a
# hundred trainings no rival reaches it in the mean.
#
# > **Takeaway.** At equal cost the search beats chance and a walk, by a wide margin. It beats experience by a hair.
#
# ## 8 · What do shared weights say of a cell?
#
# A supernet could be asked directly: leave one operation on every edge, keep the weights, and test
# ([`shared_scores`](dartsedu/lessons/rivals.py:shared_scores)). That costs no training at all. Does it put the cells in
# the right order? **Kendall's τ** goes over all pairs of cells: those that both put in the same order count +1, the
# others −1, and the sum is divided by the number of pairs,
#
# $$\tau = \frac{2}{n (n - 1)} \sum_{i < j} \operatorname{sign}(a_i - a_j) \operatorname{sign}(b_i - b_j)$$
#
# **Exercise 4.** Write it for two arrays without ties.


# %% tags=["exercise"]
def tau(a, b):
    return ...


# %% [markdown]
# <details>
# <summary>Hint 1</summary>
#
# `np.sign(a[:, None] - a)` has the signs of all differences, (n, n). Every pair is in it twice.
#
# </details>
# <details>
# <summary>Hint 2</summary>
#
# Twice every pair in the sum: divide by n (n − 1) alone.
#
# </details>


# %% tags=["solution"]
def tau(a, b):
    import numpy as np

    n = len(a)
    return (np.sign(a[:, None] - a) * np.sign(b[:, None] - b)).sum() / (n * (n - 1))


# %% tags=["check"]
checks.check_tau(tau)

# %% tags=["nbval-ignore-output"]
cells = truth.sample(120, none=False)
even = rivals.bench_search(0, "search.architecture.learning_rate=1e-6")
for _ in even:
    pass
asked = {"searched": run.search, "α held even": even}
told = {n: rivals.shared_scores(s.supernet, s.task, cells) for n, s in asked.items()}
assert all(0.2 < next(rivals.agreement(truth, cells, own)) < 0.8 for own in told.values())
rivals.agreement_picture(truth, cells, told)

# %% [markdown]
# The accuracies are far too low: these weights have learnt to work in a mixture. Yet their order is no accident. A good
# part of τ comes from telling bad cells from good ones; among the better half it is lower. Look at what the ten
# favourites are worth: a fair sieve, a poor judge. (One supernet of either kind. Other seeds? See below.)
#
# > **Takeaway.** Shared weights say which cells to try, not which cell is best.
#
# ## 9 · What may be concluded?
#
# | repeated here | so it speaks about | not about |
# |---|---|---|
# | every cell, three trainings | this space, these digits, four epochs | longer training, larger networks |
# | ten searches | what this search finds here | other settings of the search |
# | hundreds of walks | local search in this table | spaces with other landscapes |
# | one data set of 8×8 pixels | itself | CIFAR-10, texts, your data |
#
# A table makes searches comparable, and tempts: whoever tunes a search until its rank is good has fitted the table.
# Published tables (NAS-Bench-101, 201, 301) are used in the same way, and carry the same warning.
#
# ## Recap
#
# - A table of every cell turns "better than random?" into a rank and a regret.
# - Searching pays where cells differ much, neighbours are alike, and good cells are rare.
# - Compare at equal cost, and with the obvious guess: what everybody would have tried first.
# - How long a search runs and by which rule it ends belong to the search. Say both.
# - Shared weights sort roughly, good cells less well than bad ones.
#
# ## Quiz

# %%
QUIZ

# %% [markdown]
# ## Break it
#
# - Search with other seeds, `rivals.searches(range(10, 20))`. How many of their cells are better than all 3×3?
# - Give the search `"search.architecture.learning_rate=0.3"`. At which step is it best, and what does it end with?
# - Let your `climb` walk: `climb((0,) * 6, lambda c: neighbours(c, 5), score)` with a `score` that looks up
#   `truth.validation`. From how many of twenty random starts does it reach the best hundred?
# - Ask supernets of seeds 1 and 2 about the same cells. Does τ agree? And after a longer search, `"search.epochs=12"`?
# - Take *none* out of the space: `"supernet.primitives=['skip_connect','nor_conv_1x1','nor_conv_3x3','avg_pool_3x3']"`.
#   What is left of the difference between the rules?
# - `dartsedu truth show` tells about the table, `dartsedu truth show CELL` about a cell, in a terminal.
