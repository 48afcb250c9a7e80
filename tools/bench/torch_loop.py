"""PyTorch: the usual loop, one model after another, on all cores."""

from __future__ import annotations

import numpy as np
import torch
from work import Trained, Work, pixels, timed

ACTIVATIONS = {"linear": torch.nn.Identity, "relu": torch.nn.ReLU}
EPSILON = 1e-7  # of Adam, as in Keras


def network(weights: list[np.ndarray], activation: str) -> torch.nn.Sequential:
    """The network with a Keras model's weights. There filters come last, here before rows and columns."""
    kernel, bias, head, head_bias = (torch.tensor(part) for part in weights)
    filters, classes = kernel.shape[-1], head.shape[-1]
    convolution = torch.nn.Conv2d(kernel.shape[2], filters, tuple(kernel.shape[:2]))
    dense = torch.nn.Linear(len(head), classes)
    model = torch.nn.Sequential(convolution, ACTIVATIONS[activation](), torch.nn.Flatten(), dense)
    head = head.reshape(-1, filters, classes).permute(2, 1, 0).reshape(classes, -1)
    with torch.no_grad():
        for own, value in zip(model.parameters(), (kernel.permute(3, 2, 0, 1), bias, head, head_bias), strict=True):
            own.copy_(value)
    return model


def train(work: Work, weights: list[np.ndarray], order: np.ndarray) -> Trained:
    """One model, from initial weights in Keras's layout, on batches (step, image)."""
    (seed,), data = work.seeds, work.data()
    images, labels = torch.tensor(pixels(data.train_images)), torch.tensor(data.train_labels.astype(np.int64))
    images = images.permute(0, 3, 1, 2)  # (image, channel, row, column)
    model = network(weights, work.architecture.activation)
    optimizer = torch.optim.Adam(model.parameters(), lr=work.architecture.learning_rate, eps=EPSILON)
    loss = torch.nn.CrossEntropyLoss()

    def run(first: int, stop: int) -> None:
        for batch in torch.tensor(order[first:stop]):
            optimizer.zero_grad()
            loss(model(images[batch]), labels[batch]).backward()
            optimizer.step()

    wall_s, step_s = timed(work, run)
    with torch.no_grad():
        answers = model(torch.tensor(pixels(data.test_images)).permute(0, 3, 1, 2)).argmax(dim=1).numpy()
    return Trained(wall_s, step_s, {seed: float(np.mean(answers == data.test_labels))})
