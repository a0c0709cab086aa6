# %% [markdown]
# # 01 Continuous relaxation: from a choice to a mixture
#
# *45 minutes.* How can a network learn which operation to use, when choosing has no gradient?
#
# **You will be able to**
#
# - say why a choice between operations cannot be trained by gradient descent, and what DARTS does
#   instead;
# - turn architecture parameters α into mixture weights, and say what softmax and temperature do;
# - build a mixed operation and explain which operation gains when α descends;
# - read a loss surface over α, and say why it moves while the network trains.
#
# **You need** PyTorch modules, `backward()` and an optimiser. No earlier lesson.

# %%
from itertools import islice

import torch

from dartsedu import MixedOp, load_task, mixture_weights
from dartsedu.lessons import relaxation as lesson
from dartsedu.lessons import relaxation_checks as checks
from dartsedu.lessons import surface
from dartsedu.lessons.guess import predict
from dartsedu.spaces.cnn.operations import PRIMITIVES, candidate

torch.set_num_threads(1)  # the same numbers on every machine, as far as that goes

# %% [markdown]
# ## Where this leads
#
# An edge may be a pooling or a convolution. Two numbers α say how much of each. The loss over them is a
# landscape, and α rolls downhill, while the network's weights w learn and bend the landscape under it.

# %%
task = load_task("digits")
batches = list(islice(task.weights.training(64, seed=0), 60))
held_out = next(task.architecture.once(256))
torch.manual_seed(0)
pair = lesson.OneEdge(("max_pool_3x3", "sep_conv_3x3"))
surface.rolling_explorer(pair, held_out, batches)

# %% [markdown]
# At first the land is flat. As w learns, it tilts, and the ball rolls. To which of the two operations? Remember it
# for part 4. Where do the two numbers come from, why
# is there a slope at all, and who tilts the land? That is this lesson.
#
# ## 1 · A choice has no slope
#
# An [edge](../docs/glossary.md#edge) takes a feature map and hands on another of the same size. DARTS offers it
# eight operations, called [primitives](../docs/glossary.md#primitive). Here is one handwritten digit
# after each of them. The convolutions are untrained: their kernels are random.

# %%
torch.manual_seed(0)
digit = next(task.weights.once(1)).inputs
operations = {name: candidate(name, channels=1, stride=1) for name in PRIMITIVES}
lesson.operations_picture(digit, operations)

# %% [markdown]
# *none* gives zeros: no connection. (Zero is grey, the mean of the data.) *skip* hands the digit on
# unchanged.
#
# **Which one should the edge use?** We could train a network with each and compare. That is fine for one
# edge. A cell of the paper has 14 edges, and there are two kinds of cell.
#
# How many ways are there to fill one cell, if each edge takes one of eight? It is 8 times 8 times 8 …

# %%
ways = 8**14
years = ways / (60 * 24 * 365)
predict(
    "How many years does it take to try them all, at a minute each, in millions?",
    years / 1e6,
    f"There are {ways:,} ways.",
    unit=" million years",
    near=2,
)

# %% [markdown]
# We need a better guide than trying.
#
# Gradient descent is such a guide, but it needs small steps: change something a little, see the loss
# change a little. Between max-pooling and a convolution there is nothing in the middle. **So DARTS puts
# something there.** Take some of each: `0.7 * pool(x) + 0.3 * conv(x)`, which has the same shape as either.
#
# The share of each can be any number. Now the question "which operation?" has become "how much of each?", and
# *how much* has a derivative. This is the
# [continuous relaxation](../docs/glossary.md#continuous-relaxation).
#
# > **Takeaway.** A choice becomes a mixture, because a mixture has a gradient.

# %% [markdown]
# ## 2 · From α to weights
#
# Weights of a mixture should be positive and sum to 1. Gradient descent knows nothing of that: it would
# happily make one of them −3. So each edge gets one free number per operation,
# [α](../docs/glossary.md#alpha), and softmax makes weights of them:
#
# $$p_o = \frac{\exp(\alpha_o)}{\sum_{o'} \exp(\alpha_{o'})}$$
#
# - $o$: one of the operations of the edge; $o'$ runs over all of them
# - $\alpha_o$: its architecture parameter, any real number, 0 at the start
# - $p_o$: its [mixture weight](../docs/glossary.md#mixture-weights), between 0 and 1
#
# In the package: [`mixture_weights`](dartsedu/relaxation.py:mixture_weights). α is a matrix with a row for
# each edge and a column for each operation.

# %%
alpha = torch.tensor([[0.0, 0.0, 0.0], [2.0, 0.0, 0.0]])
mixture_weights(alpha)

# %% [markdown]
# %%
same = torch.allclose(mixture_weights(alpha + 10), mixture_weights(alpha))
predict(
    "Add 10 to every α of an edge. What happens to its weights?",
    "nothing" if same else "they change",
    among=["they grow", "the largest gains", "nothing", "they change"],
)

# %% [markdown]
# Only *differences* between the α of an edge count. A single α says nothing; it must be compared.
#
# ### Exercise 1: weights with a temperature
#
# Divide α by a [temperature](../docs/glossary.md#temperature) $T$ before the softmax. Write it for a matrix
# of edges × operations.


# %% tags=["exercise"]
def weights(alpha, temperature=1.0):
    """α of shape (edges, operations) → weights of the same shape, each row summing to 1."""
    ...  # your code


# %% [markdown]
# <details>
# <summary>Hint 1</summary>
#
# PyTorch has `torch.softmax(tensor, dim=...)`.
#
# </details>
#
# <details>
# <summary>Hint 2</summary>
#
# The operations of one edge compete with each other. They lie along the last dimension.
#
# </details>


# %% tags=["solution"]
def weights(alpha, temperature=1.0):
    """α of shape (edges, operations) → weights of the same shape, each row summing to 1."""
    return torch.softmax(alpha / temperature, dim=-1)


# %% tags=["check"]
checks.check_weights(weights)

# %% [markdown]
# ### Try it: three operations, one edge
#
# The sliders set α. Find:
#
# 1. two different settings of α with the same picture;
# 2. what a low and what a high temperature do to α = (0, 1, 2);
# 3. what changes with the gate *sigmoid*. Look at the sum of the weights.

# %%
three = ("skip_connect", "max_pool_3x3", "sep_conv_3x3")
lesson.mixing_explorer(digit, {name: operations[name] for name in three})

# %% [markdown]
# <details>
# <summary>What you should have found</summary>
#
# 1. Move all three α up by the same amount: nothing changes.
# 2. Low T: nearly a choice, the largest α takes all. High T: nearly equal parts. DARTS uses T = 1
#    throughout; some later methods lower T during the search.
# 3. With a sigmoid every weight is on its own. Two operations can both have the weight 0.9, or all can
#    fade to 0. With softmax, one can only gain what others lose.
#
# </details>
#
# **Why softmax, then?** It keeps the output on one scale, and it makes the operations compete, which
# suits a search that must pick one in the end. The competition also has a price: an early lead tends to
# grow. [Fair DARTS](https://arxiv.org/abs/1911.12126) makes each weight independent of the others, by sigmoids; its
# authors hold the exclusive competition to be the reason why searches fill up with skip connections.
#
# > **Takeaway.** Softmax makes weights of free numbers. Only differences of α count.

# %% [markdown]
# ## 3 · The mixed operation
#
# Now the whole edge. Its output is the weighted sum of what all operations give (DARTS, eq. 2):
#
# $$\bar o(x) = \sum_{o} p_o \, o(x)$$
#
# - $x$: the map that comes in; $o(x)$: what operation $o$ makes of it
# - $p_o$: the mixture weight of $o$ on this edge
# - $\bar o$: the [mixed operation](../docs/glossary.md#mixed-operation)
#
# In the package: [`MixedOp`](dartsedu/relaxation.py:MixedOp).
#
# ### Exercise 2: build it


# %% tags=["exercise"]
class MyMixedOp(torch.nn.Module):
    def __init__(self, operations):
        super().__init__()
        self.operations = torch.nn.ModuleList(operations)

    def forward(
        self, x, weights
    ): ...  # your code: weights has the shape (operations,) and sums to 1


# %% [markdown]
# <details>
# <summary>Hint 1</summary>
#
# Go through weights and operations together: `zip(weights, self.operations)`.
#
# </details>
#
# <details>
# <summary>Hint 2</summary>
#
# Multiply each output by its weight, then `sum(...)` the products.
#
# </details>


# %% tags=["solution"]
class MyMixedOp(torch.nn.Module):
    def __init__(self, operations):
        super().__init__()
        self.operations = torch.nn.ModuleList(operations)

    def forward(self, x, weights):
        return sum(w * operation(x) for w, operation in zip(weights, self.operations))


# %% tags=["check"]
checks.check_mixed_op(MyMixedOp)

# %% [markdown]
# From here on we use the package's. Put it on a tiny real problem: digits, a stem, **one** mixed edge
# with all eight operations, the mean over the map, a linear classifier
# ([`OneEdge`](dartsedu/lessons/relaxation.py:OneEdge)). First we train only the
# [operation weights](../docs/glossary.md#operation-weights) w, for 60 steps. α stay at 0: equal parts.

# %%
torch.manual_seed(0)
net = lesson.OneEdge(PRIMITIVES)
assert isinstance(net.edge, MixedOp)
lesson.train_weights(net, batches)

# %% [markdown]
# Now ask for the gradient with respect to α, on data that did *not* train w (lesson 02 says why).
#
# %%
net.loss(held_out).loss.backward()
none = net.alphas["edge"].grad[0, 0]
predict(
    "One step down the slope: will `none`, which gives zeros, gain or lose?",
    "gain" if none < 0 else "lose",
    lesson.gradient_picture(net),
    among=["gain", "lose"],
)

# %% [markdown]
# One backward pass compared all of them. Bars to the right gain in the next step, bars to the left lose.
# They sum to zero: under softmax nobody gains without another's loss.
#
# ### Exercise 3: who gains?
#
# Why these? Let $g_o = \partial L / \partial p_o$, the change of the loss if *only* the weight of $o$ grew.
# Through the softmax ([`mixture_weights`](dartsedu/relaxation.py:mixture_weights)) this becomes
#
# $$\frac{\partial L}{\partial \alpha_o} = p_o \Big( g_o - \sum_{o'} p_{o'} \, g_{o'} \Big)$$
#
# In words: an α grows if its operation is **better than the mixture's average**, and faster the more
# weight it has already. Write that down.


# %% tags=["exercise"]
def pull(p, slope):
    """∂L/∂α from p = softmax(α) and slope = ∂L/∂p, both of shape (operations,)."""
    ...  # your code


# %% [markdown]
# <details>
# <summary>Hint 1</summary>
#
# The average is weighted with p: `(p * slope).sum()`.
#
# </details>
#
# <details>
# <summary>Hint 2</summary>
#
# Subtract it from `slope`, then multiply by `p`.
#
# </details>


# %% tags=["solution"]
def pull(p, slope):
    """∂L/∂α from p = softmax(α) and slope = ∂L/∂p, both of shape (operations,)."""
    average = (p * slope).sum()
    return p * (slope - average)


# %% tags=["check"]
checks.check_pull(pull)

# %% [markdown]
# > **Takeaway.** One backward pass tells for every operation whether it beats the average of the mixture.

# %% [markdown]
# ## 4 · The surface moves
#
# Back to the landscape of the beginning: now you are the ball, and w learns at equal parts. Colours mean
# the same loss at every step, and the arrow is as long as the land is steep.
#
# Find, in this order:
#
# 1. the direction in which you can walk without changing the loss (gate softmax);
# 2. what training w does to the colours, and to the arrow *downhill*;
# 3. what the gate *sigmoid* changes.

# %%
torch.manual_seed(0)
two = lesson.OneEdge(("max_pool_3x3", "sep_conv_3x3"))
surface.surface_explorer(two, held_out, batches)

# %% [markdown]
# <details>
# <summary>What you should have found</summary>
#
# 1. Along the diagonal: both α grow together, and only their difference counts.
# 2. Before training the map has one colour and the arrow is a dot: random operations are all about equally
#    useless. After 60 steps there is a slope (see the range of the loss under the sliders). The surface that
#    α descends is made by w.
# 3. With sigmoids both directions count: the total strength matters as well as the difference.
#
# Downhill leads to the convolution here, where w has learned at equal parts. Did the ball of the beginning roll
# there? If not: it moved while w had learned little, w then learned mostly for the operation that was ahead, and
# so it stayed ahead.
#
# </details>
#
# > **Takeaway.** The landscape of α depends on w. Whoever moves α must keep up with w: lesson 02.

# %% [markdown]
# ## 5 · The same idea, no images: an edge of functions
#
# Nothing above needs convolutions. Mix three functions of one number instead, each with its own slope
# $a$ and shift $b$:
#
# $$y = p_1 (a_1 x + b_1) + p_2 \, e^{a_2 x + b_2} + p_3 \, \sigma(a_3 x + b_3)$$
#
# In the package: [`FunctionEdge`](dartsedu/lessons/relaxation.py:FunctionEdge). The data come from a
# logistic curve with noise. We let α descend on every other point and w on the rest, in turn.

# %%
x, y = lesson.growth_data()
edge = lesson.FunctionEdge()
of_alpha = torch.optim.Adam(edge.alphas.values(), lr=0.05)
of_w = torch.optim.Adam(edge.weights().values(), lr=0.05)
history = []
for _ in range(400):
    for optimizer, half in ((of_alpha, (x[1::2], y[1::2])), (of_w, (x[::2], y[::2]))):
        optimizer.zero_grad()
        edge.loss(half).loss.backward()
        optimizer.step()
    history.append(edge.mixture()["edge"][0].detach())
names = list(lesson.FUNCTION_COLOURS)
early, late = (names[history[step].argmax()] for step in (99, 399))
assert (early, late) == ("linear", "logistic")

# %%
predict(
    "The data are logistic. Which function is ahead after 100 steps?",
    early,
    lesson.weights_picture(history, lesson.FUNCTION_COLOURS),
    among=names,
)

# %% [markdown]
# Surprised? The straight line is quick to fit and leads at first. The logistic needs time to grow steep,
# and overtakes. **Whoever had stopped at step 100 would have chosen the wrong function.** An α compares
# operations as well trained as they are *now*.
#
# Play with the fitted edge. Start by making each function alone as strong as you can. Can you find a better
# mixture than the search did? Its α and its error stand under the sliders.

# %%
best = lesson.best_setting(edge, (x, y))
assert 0.8 < best / edge.loss((x, y)).loss.item() < 1.25
lesson.function_explorer(edge, (x, y))

# %% [markdown]
# <details>
# <summary>What you should have found</summary>
#
# Hardly: over all settings of the sliders the least error, `best`, is about the search's own. Gradient descent
# on α has found the valley that you have walked in.
#
# </details>
#
# ## Recap
#
# - A choice has no gradient; a mixture has one. softmax(α) makes its weights.
# - A mixed operation adds the results of all operations, so it costs as much as all of them together.
# - One backward pass gives the slope of every α: up for what beats the average.
# - The surface that α descends moves with w, and an early lead may be a matter of training speed.
#
# At the end of a search somebody must choose again. What that costs is lesson 04.
#
# ## Quiz

# %%
checks.QUIZ

# %% [markdown]
# ## Break it
#
# - In part 5, set the learning rate of α to 0.5. Which function wins now, and does it stay ahead?
# - In part 5, let w train alone for 300 steps before α may move. Does the line still lead at first?
# - At the very beginning, let α move more slowly: `surface.rolling_explorer(pair, held_out, batches, rate=1)`. To which
#   operation does the ball roll now? And from `start=(-1.5, 1.5)`, a lead for the convolution?
# - In part 3, multiply the output of one operation by 10 (wrap it in a module). What happens to its
#   gradient? This is why the BatchNorms of a supernet have no scale of their own
#   ([`candidate`](dartsedu/spaces/cnn/operations.py:candidate)).
#
# **Next:** [02 Bilevel updates](02_bilevel_updates.ipynb): why α and w should not learn from the same data.
