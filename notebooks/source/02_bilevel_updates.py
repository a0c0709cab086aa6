# %% [markdown]
# # 02 Bilevel updates: a game of α and w
#
# *45 minutes.* α should be good for weights that do not exist yet. How do you descend *that*?
#
# **You will be able to**
#
# - say why α and w must not learn from the same data;
# - write the three gradients of DARTS (first order, exact, finite difference) in a few lines each;
# - predict where alternating updates settle on the problem of the paper's Fig. 2;
# - choose ε, and say what breaks when it is too small or too large.
#
# **You need** [lesson 01](01_continuous_relaxation.ipynb): α, mixture weights, mixed operation. And
# `torch.autograd.grad`.

# %%
from itertools import islice

import torch

from dartsedu import Exact, FiniteDifference, FirstOrder, VirtualStep, load_task
from dartsedu.lessons import bilevel as lesson
from dartsedu.lessons import bilevel_checks as checks
from dartsedu.lessons import overfitting
from dartsedu.lessons.guess import predict
from dartsedu.lessons.relaxation import OneEdge, train_weights

torch.set_num_threads(1)  # the same numbers on every machine, as far as that goes

# %% [markdown]
# ## 1 · Why not simply train everything together?
#
# α are parameters, w are parameters. One optimiser, one data set, done? Let us try, where we know the
# right answer. The data are a straight line with noise, 20 points. The edge mixes a *line* and a
# *wiggle*: 24 sines and cosines that can follow any noise
# ([`LineOrWiggle`](dartsedu/lessons/overfitting.py:LineOrWiggle)).
#
# The function below trains w on the points `for_w` and α on the points `for_alpha`, in turn, and takes a
# picture every 15 steps.


# %%
def search(for_w, for_alpha, new):
    """Pictures of 300 steps: the mixture and its curve, and the loss on new data."""
    net = overfitting.LineOrWiggle()
    of_alpha = torch.optim.Adam(net.alphas.values(), lr=0.05)
    of_w = torch.optim.Adam(net.weights().values(), lr=0.05)
    frames = [overfitting.frame(net, new)]
    for step in range(300):
        for optimizer, points in ((of_alpha, for_alpha), (of_w, for_w)):
            optimizer.zero_grad()
            net.loss(points).loss.backward()
            optimizer.step()
        if step % 15 == 14:
            frames.append(overfitting.frame(net, new))
    return frames


# %%
train, val, new = overfitting.noisy_line(seed=0)
overfitting.fits_explorer(
    {"same points": search(train, train, new), "two halves": search(train, val, new)},
    {"same points": {"w and α": train}, "two halves": {"w": train, "α": val}},
)

# %% [markdown]
# Left, α and w learn from the same points, and the curve begins to run after each of them. Right, α has points
# of its own: what follows w's noise is of no use on them. One data set may be luck, so let us take five; and
# give the joint training all 40 points, too.

# %%
results = {"same 20 points": [], "same 40 points": [], "20 for w, 20 for α": []}
for seed in range(5):
    train, val, new = overfitting.noisy_line(seed)
    both = [torch.cat(pair) for pair in zip(train, val)]
    for name, points in zip(results, ((train, train), (both, both), (train, val))):
        results[name].append(search(*points, new)[-1])
wiggle = {name: [f.weights[1] for f in frames] for name, frames in results.items()}
joint, held_out = (
    sum(w > 0.5 for w in wiggle[n]) for n in ("same 20 points", "20 for w, 20 for α")
)
assert joint >= 3
assert held_out == 0

# %%
predict(
    "On how many of the five data sets does the wiggle get most of the weight, if w and α learn from "
    "the same 20 points?",
    joint,
    overfitting.overfitting_picture(results),
)

# %% [markdown]
# With the same 20 points the wiggle mostly wins: it lowers *that* loss best, because it can learn the noise, and on
# new points the result is bad. All 40 points do not cure it: α and w still share the noise. With held-out
# data for α the line wins every time, though w saw half as many points.
#
# The authors of DARTS tried joint training too, on all the data (§3.3): 4.16 % test error on CIFAR-10 with α and w
# in turn, 3.56 % with both at once. Their random search had 3.29 %, the bilevel search 2.76 to 3.00 % (Table 1).
#
# > **Takeaway.** α chooses how flexible the model is. Training data tend to vote for more flexible; held-out data need not.

# %% [markdown]
# ## 2 · The bilevel problem
#
# So there are two losses. α minimises the [validation loss](../docs/glossary.md#validation-loss), at
# weights that minimise the training loss *for that α* (DARTS, eq. 3 and 4):
#
# $$\min_\alpha \; L_{val}(w^*(\alpha), \alpha) \qquad w^*(\alpha) = \arg\min_w L_{train}(w, \alpha)$$
#
# - $L_{train}$, $L_{val}$: the loss on the data for w, and on the data for α
# - $w^*(\alpha)$: the weights you would get by training to the end with this α
#
# It is a game with an order: whoever moves α must reckon with w's answer. In the package, one turn each:
# [`Search`](dartsedu/search.py:Search). The paper's Fig. 2 has the smallest such game, with two numbers:


# %%
def L_train(alpha, w):
    return w**2 - 2 * alpha * w + alpha**2


def L_val(alpha, w):
    return alpha * w - 2 * alpha + 1


def grad(value, at, **options):
    """The derivative of one number with respect to another."""
    return torch.autograd.grad(value, at, **options)[0]


# %% [markdown]
# $L_{train} = (w - \alpha)^2$, so w's answer is $w^* = \alpha$. Put in:
# $L_{val} = \alpha^2 - 2\alpha + 1 = (\alpha - 1)^2$. **The best α is 1.** Will gradient descent find it?
#
# Training to the end for every move of α is too expensive. DARTS looks **one** training step ahead, the
# [virtual step](../docs/glossary.md#virtual-step) of length $\xi$ (eq. 6):
#
# $$w' = w - \xi \, \nabla_w L_{train}(w, \alpha)$$
#
# In the package: [`take`](dartsedu/architect.py:VirtualStep.take). And it descends $L_{val}(w', \alpha)$. With
# $\xi = 0$ it does not look ahead at all; that is called *first order*.
#
# ### Exercise 1: first order
#
# Write ∂L_val/∂α with w held still. Use `grad`, not a formula.


# %% tags=["exercise"]
def first_order(alpha, w): ...  # your code: alpha and w are tensors with requires_grad


# %% [markdown]
# <details>
# <summary>Hint 1</summary>
#
# Which of the two losses does α descend?
#
# </details>
#
# <details>
# <summary>Hint 2</summary>
#
# `grad(loss, alpha)`, with the loss at the present w.
#
# </details>


# %% tags=["solution"]
def first_order(alpha, w):
    """∂L_val(w, α)/∂α, from two tensors with requires_grad."""
    return grad(L_val(alpha, w), alpha)


# %% tags=["check"]
checks.check_first_order(first_order)

# %% [markdown]
# ### Exercise 2: exact, through the virtual step
#
# Now w′ depends on α, and autograd can differentiate through the step: keep the graph of the first
# gradient. In the package: [`Exact`](dartsedu/architect.py:Exact).


# %% tags=["exercise"]
def exact(alpha, w, xi):
    """∂L_val(w′(α), α)/∂α."""
    ...  # your code: slope of L_train in w, virtual step, slope of L_val in alpha


# %% [markdown]
# <details>
# <summary>Hint 1</summary>
#
# Three lines: the slope of `L_train` in `w`; `virtual = w - xi * slope`; the answer.
#
# </details>
#
# <details>
# <summary>Hint 2</summary>
#
# The slope must remember that it came from α: `grad(..., w, create_graph=True)`.
#
# </details>


# %% tags=["solution"]
def exact(alpha, w, xi):
    """∂L_val(w′(α), α)/∂α."""
    slope = grad(L_train(alpha, w), w, create_graph=True)
    virtual = w - xi * slope
    return grad(L_val(alpha, virtual), alpha)


# %% tags=["check"]
checks.check_exact(exact)

# %% [markdown]
# ## 3 · Two arrows
#
# What did autograd compute? α acts on $L_{val}(w', \alpha)$ in two ways: directly, and through $w'$ (eq. 7):
#
# $$\underbrace{\nabla_\alpha L_{val}(w', \alpha)}_{\text{direct}} \;
# \underbrace{- \; \xi \, \nabla^2_{\alpha, w} L_{train}(w, \alpha) \; \nabla_{w'} L_{val}(w', \alpha)}_{\text{implicit}}$$
#
# - $\nabla^2_{\alpha, w} L_{train}$: how w's slope changes when α changes
# - $\nabla_{w'} L_{val}$: how much the validation loss cares about w′
#
# In the package: [`Exact`](dartsedu/architect.py:Exact); for Fig. 2 by hand:
# [`terms`](dartsedu/lessons/bilevel.py:terms). Find:
#
# 1. what ξ = 0 does to the second arrow, and to the virtual step;
# 2. with α = w = 1, a ξ for which α stays where it is;
# 3. a place where the two arrows point against each other.

# %%
lesson.arrows_explorer()

# %% [markdown]
# <details>
# <summary>What you should have found</summary>
#
# 1. Without a virtual step there is no implicit arrow: first order.
# 2. At ξ = ½ both arrows have the length 1 and cancel. (1, 1) is the true optimum, so only a gradient that
#    looks far enough ahead rests there.
# 3. For instance α = 1, w = −1: the direct arrow says up, the implicit one says down.
#
# </details>
#
# > **Takeaway.** The [implicit term](../docs/glossary.md#implicit-term) is w's answer. First order drops it.

# %% [markdown]
# ## 4 · Where the game ends
#
# Now alternate: α steps down its gradient, w steps down its own, 300 times
# ([`descend`](dartsedu/lessons/bilevel.py:descend)). The start is the paper's (2, −2).
#
# Watch the game, then move ξ slowly from 0 to 1: the right panel has a dot for every ξ so far. Which ξ finds
# the best α? What happens beyond it? (Second order is the exact gradient; part 5 shows that here the finite
# difference walks the same path.)

# %%
predict(
    "The best α is 1. Where does first order (ξ = 0) end?",
    round(lesson.descend(0.0, 300)[-1][0], 3),
    "It is at rest there: that is no matter of too few steps.",
    near=0.05,
)

# %%
lesson.game_explorer()

# %% [markdown]
#
# ### Exercise 3: the rule behind the dots
#
# At rest w = α, so the virtual step stands still and w′ = w. Then the direct term is $w - 2$ and the
# implicit one $2 \xi \alpha$. Where is their sum zero? Write α as a function of ξ, then set *closed form* to
# *show* in the explorer.


# %% tags=["exercise"]
def settles_at(xi): ...  # your code


# %% [markdown]
# <details>
# <summary>Hint 1</summary>
#
# Put w = α into $w - 2 + 2\xi\alpha = 0$.
#
# </details>
#
# <details>
# <summary>Hint 2</summary>
#
# $\alpha (1 + 2\xi) = 2$.
#
# </details>


# %% tags=["solution"]
def settles_at(xi):
    """α and w at rest, a number."""
    return 2 / (1 + 2 * xi)


# %% tags=["check"]
checks.check_settling_point(settles_at)

# %% [markdown]
# ξ = ½ is right *here* because one virtual step of that length jumps exactly to $w^*$: the slope is
# $2(w - \alpha)$. Beyond ½ the step overshoots, and so does α. In a real network nobody knows such a ξ;
# DARTS takes the learning rate of w.
#
# > **Takeaway.** Looking ahead moves the place of rest: α = w = 2/(1 + 2ξ). First order has its own.

# %% [markdown]
# ## 5 · The finite difference
#
# The mixed second derivative costs memory in large networks. DARTS needs only its product with
# $v = \nabla_{w'} L_{val}$, and estimates it from two gradients of the training loss (eq. 8):
#
# $$\nabla^2_{\alpha, w} L_{train} \; v \approx
# \frac{\nabla_\alpha L_{train}(w + \epsilon v, \alpha) - \nabla_\alpha L_{train}(w - \epsilon v, \alpha)}{2 \epsilon}$$
#
# - $\epsilon$: how far w is moved to either side ([ε](../docs/glossary.md#epsilon))
#
# In the package: [`FiniteDifference`](dartsedu/architect.py:FiniteDifference).
#
# ### Exercise 4: write it for the toy
#
# The losses are arguments, so that it can be tried on another problem, too.


# %% tags=["exercise"]
def finite_difference(alpha, w, xi, epsilon=0.01, L_train=L_train, L_val=L_val):
    virtual = w - xi * grad(L_train(alpha, w), w)
    v = grad(L_val(alpha, virtual), virtual)
    direct = grad(L_val(alpha, virtual.detach()), alpha)
    ...  # your code: the two slopes of L_train in alpha, then direct - xi * (difference)


# %% [markdown]
# <details>
# <summary>Hint 1</summary>
#
# `up = grad(L_train(alpha, w + epsilon * v), alpha)`, and `down` with a minus.
#
# </details>
#
# <details>
# <summary>Hint 2</summary>
#
# Eq. 7 subtracts ξ times the product; the product is `(up - down) / (2 * epsilon)`.
#
# </details>


# %% tags=["solution"]
def finite_difference(alpha, w, xi, epsilon=0.01, L_train=L_train, L_val=L_val):
    virtual = w - xi * grad(L_train(alpha, w), w)
    v = grad(L_val(alpha, virtual), virtual)
    direct = grad(L_val(alpha, virtual.detach()), alpha)
    up = grad(L_train(alpha, w + epsilon * v), alpha)
    down = grad(L_train(alpha, w - epsilon * v), alpha)
    return direct - xi * (up - down) / (2 * epsilon)


# %% tags=["check"]
checks.check_finite_difference(finite_difference)

# %% [markdown]
# On the toy any ε is right, since $L_{train}$ is quadratic: same gradient, same path as *exact*. A network is not. Take the edge of lesson 01 with
# three operations on digits, in double precision, with the package's architects:

# %%
torch.manual_seed(0)
task = load_task("digits")
net = OneEdge(("max_pool_3x3", "skip_connect", "sep_conv_3x3"), channels=4)
*batches, batch = islice(task.weights.training(64, seed=0), 31)
train_weights(net, batches)
_ = net.double()

# %%
train, val = (
    b._replace(inputs=b.inputs.double()) for b in (batch, next(task.architecture.once(64)))
)
optimizer = torch.optim.SGD(net.weights().values(), lr=0.1)
for architect in (FirstOrder(), FiniteDifference(), Exact()):
    gradient = architect.gradient(net, train, val, optimizer).gradient["edge"][0]
    print(f"{type(architect).__name__:17}", [round(v, 4) for v in gradient.tolist()])

# %% [markdown]
# Who says that *exact* is exact? Take the definition at its word: nudge one α, take a real training step
# with a real optimiser, measure the validation loss, compare
# ([`by_definition`](dartsedu/lessons/bilevel.py:by_definition)).

# %%
found = Exact(VirtualStep(xi=0.1)).gradient(net, train, val, optimizer).gradient["edge"]
torch.allclose(found, lesson.by_definition(net, train, val, xi=0.1), rtol=1e-4)

# %% [markdown]
# It agrees. First order is close too, because w's answer to α is small here. That is one moment of one
# network with ξ = 0.1; lesson 03 compares whole searches.
#
# Now the ε. The paper sets $\epsilon = 0.01 / \|v\|$, so that w moves by 0.01 in all. Is a smaller ε always
# better? Find the best one for float32, and say what goes wrong to its left and right.

# %%
lesson.epsilon_explorer(net, train, val, xi=0.1)

# %% [markdown]
# <details>
# <summary>What you should have found</summary>
#
# - Far left: the two gradients are nearly equal, and their difference drowns in rounding. float32 goes
#   wrong much earlier than float64.
# - Far right: w has moved so far that the training loss has bent away, or a ReLU or the max-pooling
#   switched. Both precisions suffer alike.
# - In between there is a lowest point. The paper's 0.01 lies to its right: the sentence under the slider says
#   how far the implicit term is off there. As the term itself is small, the whole gradient is hardly hurt.
# - In float64 the error goes on falling further left, where float32 has long been noise.
#
# </details>
#
# > **Takeaway.** Too small an ε is lost in rounding, too large a one in curvature. Test it against the exact.

# %% [markdown]
# ## Recap
#
# - α learns from held-out data, since training data vote for flexibility.
# - The hypergradient has a direct term and an implicit one, w's answer. First order keeps the direct one.
# - Alternating steps on Fig. 2 settle at 2/(1 + 2ξ): 2 for first order, 1 (the best) at ξ = ½.
# - The finite difference replaces a second derivative by two first ones and an ε to be chosen.
#
# | architect | passes | costs more memory | exact |
# |---|---|---|---|
# | `FirstOrder` | 1 | no | no: ξ = 0 |
# | `FiniteDifference` | 4 | a little: w′ and v beside w | up to ε |
# | `Exact` | 2, one of them differentiated twice | much: the graph of a gradient | yes, for one virtual step |
#
# ## Quiz

# %%
checks.QUIZ

# %% [markdown]
# ## Break it
#
# - Part 1: let w and α share the 200 points of `new` and judge on `val`. Is held-out data for α still needed?
# - Part 1: start the search with α = (3, 0), in favour of the line. On how many data sets do the same 20
#   points turn it all the same?
# - In part 5, compute the errors for ξ = 1 instead of 0.1. Is first order still close?
#
# **Next:** lesson 03 lets all this run on a CNN cell, and you watch.
