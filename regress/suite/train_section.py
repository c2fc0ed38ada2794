"""`train:` in regress.yaml: the trainer stage's recipe, every key with its default."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field, StrictBool, StrictInt, StrictStr, field_validator, model_validator

from regress.suite.validate import FileModel, Number

Share = Annotated[Number, Field(ge=0, lt=1)]
Count = Annotated[StrictInt, Field(ge=1, le=1_000_000)]
ModuleName = Annotated[StrictStr, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.]{0,200}$")]


class ProbeSection(FileModel):
    """`train.probe`: locked items that the model answers while it is trained, to see what it forgets."""

    items: Annotated[StrictInt, Field(ge=0, le=5000)] = 64  # of each protected or target suite; 0: no probes
    every: Literal["auto"] | Count = "auto"  # steps; auto: a quarter of the training
    stop: StrictBool = True  # end the training once a suite has certainly lost more than its margin
    keep: Literal["last", "best"] = "last"  # best: the largest gain among the checkpoints that pass


class TrainSection(FileModel):
    """`train`: what is trained, how, and from what."""

    objective: Literal["sft", "dpo"] = "sft"  # learn replies, or prefer one of two
    method: Literal["qlora", "lora"] = "qlora"  # qlora: the base in 4 bit; lora: in bf16 (a GPU) or fp32 (a CPU)
    data: Annotated[StrictStr, Field(min_length=1)] = "data/train.jsonl"  # what is learned
    output: Annotated[StrictStr, Field(min_length=1)] = "runs/train"  # the adapter's folder
    # the adapter
    r: Annotated[StrictInt, Field(ge=1, le=1024)] = 16  # rank
    alpha: Literal["auto"] | Number = "auto"  # auto: what is learned is scaled by 2
    dropout: Share = Decimal(0)  # of the adapter's input
    targets: Literal["all-linear"] | Annotated[tuple[ModuleName, ...], Field(min_length=1)] = "all-linear"  # or names
    dora: StrictBool = False  # learn directions and magnitudes apart
    rslora: StrictBool = False  # scale by the root of r
    # the base's weights, for qlora
    quant: Literal["nf4", "fp4"] = "nf4"  # of qlora
    double_quant: StrictBool = True  # of qlora: quantise the constants, too
    # the steps
    learning_rate: Literal["auto"] | Annotated[Number, Field(gt=0)] = "auto"  # auto: 2e-4 for sft, 5e-6 for dpo
    scheduler: Literal["cosine", "linear", "constant", "constant_with_warmup"] = "cosine"  # of the learning rate
    warmup: Share = Decimal("0.03")  # of all steps
    weight_decay: Annotated[Number, Field(ge=0, le=1)] = Decimal(0)  # of AdamW
    clip: Annotated[Number, Field(gt=0)] = Decimal(1)  # norm of the gradient
    epochs: Annotated[Number, Field(gt=0)] = Decimal(1)  # passes over the data
    max_steps: Count | None = None  # in place of epochs
    batch_size: Count = 4  # rows at a time
    gradient_accumulation: Count = 4  # times that many make a step
    gradient_checkpointing: StrictBool = True  # less memory, more time
    max_length: Annotated[StrictInt, Field(ge=8, le=10_000_000)] = 2048  # tokens of a row
    packing: StrictBool = False  # several rows in one sequence
    beta: Annotated[Number, Field(gt=0)] = Decimal("0.1")  # dpo
    seed: Annotated[StrictInt, Field(ge=0, le=2**31)] = 0  # of the order of rows and the adapter's first values
    # what happens meanwhile
    save_steps: Literal["auto"] | Count = "auto"  # auto: a tenth of the training
    probe: ProbeSection = ProbeSection()  # the forgetting curve
    report_to: tuple[Literal["wandb", "tensorboard", "mlflow", "trackio"], ...] = ()  # trackers
    allow_overlap: StrictBool = False  # train on locked items all the same

    @field_validator("alpha")
    @classmethod
    def _multiplies(cls, value: object) -> object:
        if isinstance(value, Decimal) and not value > 0:
            raise ValueError(
                f"{value} multiplies everything that is learned by {value}: the adapter would be the base. Twice r is "
                "usual."
            )
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> TrainSection:
        given = self.model_fields_set
        for key, belongs in (
            ("quant", self.method == "qlora"),
            ("double_quant", self.method == "qlora"),
            ("packing", self.objective == "sft" or not self.packing),
            ("beta", self.objective == "dpo"),
        ):
            if key in given and not belongs:
                owner = "method: qlora" if "quant" in key else f"objective: {'dpo' if key == 'beta' else 'sft'}"
                raise ValueError(f"{key} belongs to {owner}. Take it out, or change the other.")
        if {"epochs", "max_steps"} <= given and self.max_steps is not None:
            raise ValueError("epochs and max_steps both say how long to train. Leave one out.")
        if isinstance(self.targets, tuple) and len(set(self.targets)) != len(self.targets):
            raise ValueError("targets names a module twice.")
        return self
