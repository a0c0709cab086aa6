# %% [markdown]
# # 07 Discovering equations
#
# *45 minutes. The searches take about a minute in all; everything runs on a laptop's CPU.*
#
# A table of numbers goes in, a law that a scientist can read comes out. Can the same search do that?
#
# **You will be able to**
#
# - build an edge that mixes functions instead of image operations
# - keep a search alive where a function ends
# - watch a graph of functions become an equation, and say what discretisation does to it
# - run many restarts, and compare them with chance
# - say when data cannot tell two formulas apart, and choose between them by a rule
# - find a law in a table of your own
#
# **You need** [01](01_continuous_relaxation.ipynb) (part 5 is where we begin) and
# [02](02_bilevel_updates.ipynb) (why α and w learn from different rows).

# %%
import torch

from dartsedu import Search, live, load_preset, load_task
from dartsedu.lessons import chance
from dartsedu.lessons import equations as lesson
from dartsedu.lessons import equations_checks as checks
from dartsedu.lessons.forming import forming_explorer
from dartsedu.lessons.guess import predict
from dartsedu.spaces.equation import EquationSupernet, conclude, equation_space

torch.set_num_threads(1)

# %% [markdown]
# ## Watch a curve bend into data
#
# 200 noisy measurements of a law: the response R to a stimulus S. A search has a graph of simple functions, and α to
# choose among them. Press **Play**. The strong line is one of 64 searches that run side by side, the pale ones are some
# others. How many steps does it take to fit? Are the functions that the sentence names already the law?

# %% tags=["nbval-ignore-output"]
task = load_task("weber-fechner", noise=0.1, rows=200)
forming_explorer(lesson.equation_search(task), task)

# %% [markdown]
# It fits soon, by a mixture of everything. To make an equation of it is the work of this lesson.
#
# ## 1 · One edge, three functions
#
# Lesson 01 ended with an edge that mixes functions of one number. Here it is again: a straight line, an
# exponential, a logistic curve, each with a scale and an offset of its own.
#
# $$\bar o(x) = \sum_k p_k \, f_k(a_k x + b_k), \qquad p = \mathrm{softmax}(\alpha)$$
#
# - $f_k$: one of the functions, the [primitives](../docs/glossary.md#primitive) of this space
# - $a_k, b_k$: its scale and offset; together they are w
# - $p_k$: its [mixture weight](../docs/glossary.md#mixture-weights)
#
# In the package: [`EquationSupernet`](dartsedu/spaces/equation/supernet.py:EquationSupernet). This is the idea of
# [Musslick (2021)](https://arxiv.org/abs/2103.13939): what is searched is not a network but an equation.
#
# ### Exercise 1: build the edge


# %% tags=["exercise"]
def edge(x, weights, scale, offset):
    """Mix x, exp and sigmoid: x has the shape (N,), the other three have the shape (3,)."""
    ...  # your code


# %% [markdown]
# <details>
# <summary>Hint 1</summary>
#
# What stands inside each function? `scale[k] * x + offset[k]`.
#
# </details>
#
# <details>
# <summary>Hint 2</summary>
#
# Go through `(lambda z: z, torch.exp, torch.sigmoid)` with `enumerate`, multiply each result by
# `weights[k]`, add them up.
#
# </details>


# %% tags=["solution"]
def edge(x, weights, scale, offset):
    """Mix x, exp and sigmoid: x has the shape (N,), the other three have the shape (3,)."""
    functions = (lambda z: z, torch.exp, torch.sigmoid)
    return sum(weights[k] * f(scale[k] * x + offset[k]) for k, f in enumerate(functions))


# %% tags=["check"]
checks.check_edge(edge)

# %% [markdown]
# Now the package's edge, on the noisy logistic curve of lesson 01. An equation depends on where its search
# starts, so the supernet holds many [restarts](../docs/glossary.md#restart) side by side: 64 edges, each with
# its own α and w, computed at once. α start all but equal, w at random.
#
# The truth is *logistic*. In what share of the restarts is it ahead after 20 steps, and after 200?

# %% tags=["nbval-ignore-output"]
torch.manual_seed(0)
supernet = EquationSupernet(equation_space(1, 1, lesson.THREE), restarts=64)
search = Search(supernet, lesson.growth_task(), load_preset("equation").search)
shares = {}
for step in search:
    if step.index + 1 in (20, 200):
        shares[step.index + 1] = lesson.strongest(supernet)
predict(
    "In what share of the restarts does the logistic function lead after 200 steps?",
    round(100 * shares[200]["linear_logistic"]),
    lesson.strongest_picture(shares),
    unit=" %",
    near=10,
)

# %% [markdown]
# Same data, same settings, different starts, different answers.
#
# > **Takeaway.** An edge can mix functions as well as convolutions. Which one wins depends on the start.
#
# ## 2 · Where a function ends
#
# In 1860 Fechner proposed a law of sensation: the response R grows with the logarithm of the stimulus S. To
# find it, an edge needs ln. But during a search an edge may be handed *any* number.

# %%
weights = torch.tensor([1.0, 0.0])
values = torch.stack([torch.tensor(2.0), torch.tensor(-1.0).log()])
predict(
    "The logarithm of −1 has the mixture weight 0, a value of 2 has the weight 1. What is their sum?",
    str(float((weights * values).sum())),
    among=("2.0", "0.0", "nan"),
)

# %% [markdown]
# Nothing times nan is nan. One such number, anywhere in the sum, and every gradient is lost. So each function
# is *guarded*: exact where it is defined, and continued outside so that it stays finite and its slope leads
# back.
#
# ### Exercise 2: a safe logarithm
#
# Exactly ln(x) for x ≥ 0.001. Below that a straight line of slope 1 that meets ln at 0.001.


# %% tags=["exercise"]
def safe_ln(x):
    """ln of a tensor of any shape, guarded below 0.001."""
    ...  # your code


# %% [markdown]
# <details>
# <summary>Hint 1</summary>
#
# `x.clamp(min=0.001)` is safe to take the logarithm of. But below 0.001 the result is flat: its slope is 0,
# and nothing leads back.
#
# </details>
#
# <details>
# <summary>Hint 2</summary>
#
# Add what is missing: the distance below 0.001, which is 0 above it. `(x - 0.001).clamp(max=0)`.
#
# </details>


# %% tags=["solution"]
def safe_ln(x):
    """ln of a tensor of any shape, guarded below 0.001."""
    return x.clamp(min=0.001).log() + (x - 0.001).clamp(max=0)


# %% tags=["check"]
checks.check_ln(safe_ln)

# %% [markdown]
# In the package: [`guarded_ln`](dartsedu/spaces/equation/operations.py:guarded_ln), and its like for 1/x and for exp,
# which would overflow. A guard changes the function only where the function has nothing to say.
#
# > **Takeaway.** A search visits every corner of its space. Each primitive must survive the visit.
#
# ## 3 · A graph of latent quantities
#
# One edge holds one function. For laws of several steps put edges into a graph, like a
# [cell](../docs/glossary.md#cell) with numbers instead of maps. Variables enter; every
# [node](../docs/glossary.md#node) adds up its edges; the output is a linear combination of all nodes:
#
# $$u_i = \sum_{j < i} \bar o_{ij}(u_j), \qquad y = c + \sum_i d_i \, u_i$$
#
# - $u_j$: a variable or an earlier node, a *latent* quantity that nobody has measured
# - $\bar o_{ij}$: the mixed edge from $u_j$ to $u_i$
# - $c, d_i$: numbers found with w
#
# In the package: [`equation_space`](dartsedu/spaces/equation/supernet.py:equation_space). By default an edge mixes
# seven primitives: `none` (no edge), `linear`, `linear_exp` ($e^{ax + b}$), `linear_logistic`,
# `linear_reciprocal`, `ln` and `power` ($x^a$). One variable and two nodes make three edges, so there are
# $7^3 = 343$ graphs.
#
# A small space: we shall use that in part 5. The data are those of the beginning, 200 rows of Fechner's law with noise.
# As always the rows are dealt out: `weights` trains w, `architecture` trains α, `test` stays closed.

# %%
lesson.data_picture(task)

# %% [markdown]
# Now search, live: press **Play** below; the next cell waits for the end. (Reading on GitHub? The figure two cells
# down shows how it ended.) The view shows one of the 64 restarts: the one that leads on the architecture rows at that
# moment. The leader may change, and then all α jump at once. $x_1$ is the stimulus S.
#
# Under the graph stands the equation that the kept edges say. Watch three things while it runs, or drag the
# slider afterwards:
#
# 1. How often does the *form* of the equation change? The ticks under the curves count.
# 2. Click an edge. How clearly does its winner lead when the equation changes?
# 3. Does the equation settle on a logarithm?

# %% tags=["nbval-ignore-output"]
search = lesson.equation_search(task)
run = live(search, speed=15)
run

# %% tags=["nbval-ignore-output"]
await run.finished()
steps = run.recording.steps
for step in (steps[0], steps[len(steps) // 2], steps[-1]):
    print(f"step {step.index + 1:3}: {step.written}")

# %% tags=["nbval-ignore-output"]
run.figure()

# %% [markdown]
# The mixture's loss has fallen far. The equation on the screen is another matter: it need not be a
# logarithm, and its numbers do not even fit. Why not?
#
# > **Takeaway.** A mixture that fits well is not yet an equation.
#
# ## 4 · What discretisation does to a formula
#
# The mixture has all seven functions on every edge, and their w were trained *together*, each multiplied by
# its share. [Discretisation](../docs/glossary.md#discretisation) keeps the strongest function of each edge and
# gives it the weight 1. Its w still belong to the mixture. Only then are they fitted again, by least squares.
#
# In the package: [`discretised_mixture`](dartsedu/discretisation.py:discretised_mixture) and
# [`refit`](dartsedu/spaces/equation/refit.py:refit).
#
# Three curves: the mixture, the argmax with the old w, the argmax refitted. The noise is 0.1.

# %% tags=["nbval-ignore-output"]
found = lesson.stages(search.supernet, task)
assert found["argmax"].error > found["argmax, refitted"].error
predict(
    f"The mixture's error is {found['mixture'].error:.2f}. What is that of its argmax, with the old w?",
    round(found["argmax"].error, 2),
    lesson.stages_picture(found, task),
    near=0.2,
)

# %% [markdown]
# This is the [discretisation gap](../docs/glossary.md#discretisation-gap) of lesson 04, here for once as a curve. Cutting tears the
# equation apart; refitting mends what the kept functions *can* say.
#
# So every restart is cut and refitted. The best ones are written as formulas: multiplied out, superfluous
# terms dropped, constants fitted once more. [`conclude`](dartsedu/spaces/equation/discovery.py:conclude) does all of
# it. The arrow marks its choice; errors are those of the architecture rows.

# %% tags=["nbval-ignore-output"]
discovery = conclude(search.supernet, task)
print(lesson.listed(discovery, task))

# %% [markdown]
# The data were drawn from R = 1.5 ln(S) + 1.37. Is the choice near it?
#
# > **Takeaway.** Cut, refit, compare. Never read the constants of a mixture.
#
# ## 5 · Why so many restarts? And are they better than chance?
#
# Every restart has an error now. If chance is to be the yardstick, it must be treated alike: give 64 supernets
# *random* α, cut and refit them in the same way ([`random_alphas`](dartsedu/spaces/equation/discovery.py:random_alphas)).
# How much better is the search than random graphs? Think of the 343.

# %% tags=["nbval-ignore-output"]
by_chance = conclude(chance.random_graphs(task), task)
errors = {
    "search": [r.error**0.5 for r in discovery.restarts],
    "random graphs": [r.error**0.5 for r in by_chance.restarts],
}
best = {name: min(found) for name, found in errors.items()}
predict(
    f"The best restart of the search has the error {best['search']:.3f}. And the best random graph?",
    round(best["random graphs"], 3),
    lesson.best_of_picture(errors, floor=0.1),
    near=0.003,
)

# %% [markdown]
# One restart is a gamble; a handful is enough for the *error*, after that more hardly help. And the uncomfortable
# part: random graphs, treated alike, come close or do as well. The caption says which it was here.
#
# One run decides nothing. So the comparison was made on every law of one variable that the package knows, with three
# seeds each ([`record_chance.py`](source/record_chance.py)):

# %%
record = chance.Record.load()
predict(
    f"On how many of {len(record.trials)} data sets is the best of the search better than the best of chance?",
    record.wins("best"),
    chance.picture(record),
    near=2,
)

# %% [markdown]
# With 343 graphs 64 draws see much of what there is, and least squares does the rest. Gradient descent on α could earn
# its keep where a space is too large to sample. Here it has not shown that it does.
#
# > **Takeaway.** Restart often, and always beside random graphs with the same refit. A search whose best is no
# > better than theirs has found what was easy to find.
#
# ## 6 · Two formulas, one set of data
#
# The error cannot always say which formula is right. There are two reasons.
#
# **Two graphs, one function.** A logistic edge is one graph. An exponential edge into a node, and a reciprocal
# from there, is another: $1 / (1 + e^{-x})$, the very same function. No data will ever tell these graphs apart.
# This does no harm, as long as nobody calls one of them *the* mechanism. It is why formulas are multiplied out
# before they are counted.
#
# **Two functions that hardly differ.** For small $a$, $(x^a - 1)/a$ is nearly $\ln x$. So a power with a small
# exponent and a large factor can pass for a logarithm. The product of both gives it away: it is the logarithm's factor.
# `conclude` tries the logarithm in the place of such a power, and keeps it if the error on rows that fitted nothing
# allows. Here are both, fitted to our data:

# %%
print(lesson.near_logarithm(task, 0.03))

# %% [markdown]
# It is an old quarrel, too: Stevens (1957) held a power law against Fechner's logarithm.
#
# Find in the explorer:
#
# 1. from which range on 60 rows tell the power 0.33 from a logarithm, at 10 % noise;
# 2. how the rows that it takes grow when the noise doubles;
# 3. what range the exponent 0.05 would need, for 60 rows at 10 % noise.

# %%
lesson.rivals_explorer()

# %% [markdown]
# <details>
# <summary>What you should have found</summary>
#
# 1. From 5 on. Up to 2, as the picture starts, it takes about 180 rows; up to 10, about 17.
# 2. Four times as many. Their number goes with the square of noise over misfit.
# 3. More than 1000, at 10 % noise: up to 1000 it takes 80 rows, up to 10,000 it takes 45. From 1 to 2 it would take
#    some 8000 rows.
#
# A wider range is worth far more than more rows. *Plan the experiment for the question.* (The number of rows is a
# rule of thumb, 16 times that square, [`rows_needed`](dartsedu/lessons/equations.py:rows_needed): then the difference
# of the two errors is twice its standard error. It is 4 at least, since either curve has two constants.)
#
# </details>
#
# ### Exercise 3: choose by a rule
#
# If errors cannot decide, take the simpler formula. The
# [one-standard-error rule](../docs/glossary.md#one-standard-error-rule) makes that precise. Let the best
# formula have the error $e$, known up to its standard error $s$. Among all with an error of at most $e + s$ take
# the least complex; of two equally complex ones, that with the lesser error.


# %% tags=["exercise"]
def choose(errors, spreads, complexities):
    """The place (0, 1, …) of the formula to prefer; three lists of one length."""
    ...  # your code


# %% [markdown]
# <details>
# <summary>Hint 1</summary>
#
# First find the place of the least error. The limit is its error plus *its* spread.
#
# </details>
#
# <details>
# <summary>Hint 2</summary>
#
# `min(places, key=lambda i: (complexities[i], errors[i]))` takes the least complex and settles ties.
#
# </details>


# %% tags=["solution"]
def choose(errors, spreads, complexities):
    """The place (0, 1, …) of the formula to prefer; three lists of one length."""
    best = min(range(len(errors)), key=lambda i: errors[i])
    limit = errors[best] + spreads[best]
    close = [i for i in range(len(errors)) if errors[i] <= limit]
    return min(close, key=lambda i: (complexities[i], errors[i]))


# %% tags=["check"]
checks.check_choose(choose)

# %% [markdown]
# [`candidates`](dartsedu/spaces/equation/discovery.py:candidates) chooses in this way. The rule does not find the truth. It
# says what the data give you a right to say.
#
# > **Takeaway.** Several formulas may fit. Report them all, prefer the simplest, and say so.
#
# ## 7 · Noise
#
# The noise was 10 % so far. Will the search find the logarithm at 2 %, and at 50 %? Here
# [`recovered`](dartsedu/spaces/equation/recovery.py:recovered) compares with the truth, which in real life nobody has.
# (Each takes some seconds; a line says how far it is.)

# %% tags=["nbval-ignore-output"]
from dartsedu.data.laws import LAWS
from dartsedu.spaces.equation.recovery import recovered

written, laws = [], []
for noise in (0.02, 0.5):
    formula = lesson.discovered(load_task("weber-fechner", noise=noise, rows=200)).formula
    written.append(f"At {noise:.0%}: R = {lesson.as_text(formula)}.")
    laws.append(recovered(formula.expression, LAWS["weber-fechner"], noise).equivalent)
answers = {(0, 0): "at neither", (1, 0): "at 2 %", (0, 1): "at 50 %", (1, 1): "at both"}
predict(
    "At which noise does the preferred formula have the law's form?",
    answers[tuple(laws)],
    " ".join(written),
    among=tuple(answers.values()),
)

# %% [markdown]
# One run of each is an anecdote, not a rate. The true constants are 1.5 and 1.37: look how many digits each line
# dares to write.
#
# > **Takeaway.** A form may survive a noise that its constants do not.
#
# ## 8 · Your own table
#
# A file with a line of names and a line for each row is enough. Here is one: how long a person takes for the
# n-th trial of a task. Do we get faster by a power law or by an exponential?
# ([Heathcote, Brown and Mewhort, 2000](https://doi.org/10.3758/BF03212979), argue about just that.)
# Put your own file in its place.

# %% tags=["nbval-ignore-output"]
import tempfile
from pathlib import Path

file = Path(tempfile.mkdtemp()) / "practice.csv"
noise = torch.randn(90, generator=torch.Generator().manual_seed(1)).tolist()
rows = [(n, 0.6 + 1.4 * 2 ** (-n / 12) + 0.04 * e) for n, e in enumerate(noise, start=1)]
file.write_text("trial,seconds\n" + "\n".join(f"{n},{s:.3f}" for n, s in rows))

mine = load_task("csv", path=file, target="seconds")
print(lesson.listed(lesson.discovered(mine), mine))

# %% [markdown]
# The truth behind this file is $0.6 + 1.4 \cdot 2^{-n/12}$, so the rate in the exponent is $\ln 2 / 12 \approx
# 0.058$. Did you get it? In a terminal the same is
# `dartsedu search --space equation --data practice.csv --target seconds`, with a report.
#
# ## Recap
#
# - An edge may mix functions; a graph of such edges is a space of equations.
# - Guards keep a search alive where a function ends.
# - The equation on the screen is not the answer: cut, refit, write it short, compare.
# - Many restarts, beside as many random graphs. On this small space chance does as well.
# - Data cannot always decide. Report the rivals, and prefer by a rule that you stated before.
#
# ## Quiz

# %%
checks.QUIZ

# %% [markdown]
# ## Break it
#
# - Search `task` with `EquationSupernet(equation_space(1, 2), restarts=1)`, as in part 1. How often do you get the
#   logarithm with other seeds?
# - The same with `restarts=64, complexity=1.0`: what is left when every coefficient costs that much?
# - Search `load_task("damped-oscillation")`. Its law has a product of an exponential and a cosine. Is it in the
#   space at all?
# - `equation_space(1, 2, relaxation="sigmoid")` ends the competition of the functions. What happens to the errors
#   of part 4?
