"""Trains models of handwritten digits (they come with scikit-learn), a run for each.

Two kinds of linear models and a small network, each with some params and two seeds, epoch by epoch;
then a search. Compare them by `tracker best val/accuracy`.
"""

from sklearn.datasets import load_digits
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.svm import SVC

import tracker
from tracker.integrations.sklearn import log_estimator
from tracker.integrations.sklearn import log_scores
from tracker.integrations.sklearn import log_search

EPOCHS = 12
CLASSES = list(range(10))


def models():
    """Names, and models that learn epoch by epoch."""
    for seed in (0, 1):
        for alpha in (1e-4, 10.0):
            model = SGDClassifier("log_loss", alpha=alpha, random_state=seed)
            yield f"linear-{alpha:g}-{seed}", model
        for width in (4, 64):
            model = MLPClassifier((width,), learning_rate_init=0.01, random_state=seed)
            yield f"network-{width}-{seed}", model


def main():
    X, y = load_digits(return_X_y=True)
    X_train, X_val, y_train, y_val = train_test_split(X / 16, y, test_size=0.3, random_state=0)
    for name, model in models():
        with tracker.start_run(name, experiment="digits", params={"epochs": EPOCHS}) as run:
            log_estimator(model, run)
            for epoch in range(EPOCHS):
                model.partial_fit(X_train, y_train, classes=CLASSES)
                loss = log_loss(y_val, model.predict_proba(X_val), labels=CLASSES)
                run.log({"val/loss": loss, "train/accuracy": model.score(X_train, y_train)}, epoch)
                log_scores(model, X_val, y_val, prefix="val", scoring="accuracy", step=epoch)
            log_estimator(model, run, log_model=True)
    search = GridSearchCV(SVC(), {"C": [0.01, 10], "gamma": [0.01, 0.1]}, cv=3)
    log_search(search.fit(X_train, y_train), name="svm", experiment="digits-svm", log_model=True)


if __name__ == "__main__":
    main()
