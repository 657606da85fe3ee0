using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Distributed.Worker.Tests.Kernel;

/// <summary>The use that a block of a <see cref="BlockModel"/> makes of its parameters.</summary>
internal enum BlockKind
{
    Plain,
    InPlace,
    Sequence,
    Residual,
    CalledTwice,
    OwnParameter,
    Norm,
    Dropout,
    DecodesWithItsWeight,
    TwoModulesOneWeight,
    NeverCalled,
    CalledPastItsHooks,
    UsesAWeightBeforeItsCall,
}

/// <summary>A linear layer, then blocks of one width and of the given kinds.</summary>
internal sealed class BlockModel : Module<Tensor, Tensor>
{
    public const string Input = "input";

    private readonly Linear _input;
    private readonly Block[] _blocks;

    public BlockModel(int inputs, int width, IReadOnlyList<BlockKind> kinds)
        : base(nameof(BlockModel))
    {
        _input = Linear(inputs, width);
        register_module(Input, _input);
        _blocks = [.. kinds.Select(kind => new Block(kind, width))];
        for (var i = 0; i < _blocks.Length; i++) register_module(NameOf(i), _blocks[i]);
    }

    /// <summary>Whether the input layer also uses the weight of the last block, with the same order of calls.</summary>
    public bool BorrowsWeight { get; set; }

    /// <summary>The order of the blocks; empty for the given one.</summary>
    public int[] Order { get; set; } = [];

    public static string NameOf(int block) => $"block{block}";

    public override Tensor forward(Tensor input)
    {
        using var scope = NewDisposeScope();
        var x = _input.call(input);
        if (BorrowsWeight) x = x + functional.linear(x, _blocks[^1].Weight);
        foreach (var block in Order.Length > 0 ? Order : [.. Enumerable.Range(0, _blocks.Length)]) x = _blocks[block].call(x);
        return x.MoveToOuterDisposeScope();
    }

    private sealed class Block : Module<Tensor, Tensor>
    {
        private readonly BlockKind _kind;
        private readonly Linear _linear;
        private readonly Linear? _twin;
        private readonly BatchNorm1d? _norm;
        private readonly Parameter? _scale;
        private readonly Gate? _gate;
        private readonly Sequential? _sequence;

        public Block(BlockKind kind, int width)
            : base(nameof(Block))
        {
            _kind = kind;
            _linear = Linear(width, width);
            register_module("linear", _linear);
            if (kind is BlockKind.TwoModulesOneWeight)
            {
                _twin = Linear(width, width);
                _twin.weight = _linear.weight;
                register_module("twin", _twin);
            }
            if (kind is BlockKind.Norm) register_module("norm", _norm = BatchNorm1d(width));
            if (kind is BlockKind.Sequence)
            {
                _sequence = Sequential(
                    ("norm", LayerNorm(width)), ("fc1", Linear(width, 2 * width)), ("relu", ReLU(inplace: true)),
                    ("fc2", Linear(2 * width, width)));
                register_module("sequence", _sequence);
            }
            if (kind is BlockKind.InPlace) register_module("gate", _gate = new(width));
            if (kind is BlockKind.OwnParameter) register_parameter("scale", _scale = Parameter(ones(width)));
        }

        public Tensor Weight => _linear.weight;

        public override Tensor forward(Tensor x)
        {
            using var scope = NewDisposeScope();
            var y = _kind switch
            {
                BlockKind.Plain => _linear.call(x).tanh(),
                BlockKind.InPlace => functional.relu(_gate!.call(_linear.call(x)), inplace: true),
                BlockKind.Sequence => _sequence!.call(_linear.call(x)),
                BlockKind.Residual => x + _linear.call(x).tanh(),
                BlockKind.CalledTwice => _linear.call(_linear.call(x).tanh()),
                BlockKind.OwnParameter => (_linear.call(x * _scale!) * _scale!).tanh(),
                BlockKind.Norm => _norm!.call(_linear.call(x)),
                BlockKind.Dropout => functional.dropout(_linear.call(x), 0.3, training),
                BlockKind.DecodesWithItsWeight => functional.linear(_linear.call(x).tanh(), _linear.weight!.t()),
                BlockKind.TwoModulesOneWeight => _twin!.call(_linear.call(x).tanh()),
                BlockKind.NeverCalled => x.sin(),
                BlockKind.CalledPastItsHooks => _linear.forward(x).tanh(),
                BlockKind.UsesAWeightBeforeItsCall => _linear.call(functional.linear(x, _linear.weight!).tanh()),
                _ => throw new InvalidOperationException($"{_kind}"),
            };
            return y.MoveToOuterDisposeScope();
        }
    }

    /// <summary>Overwrites its input.</summary>
    private sealed class Gate : Module<Tensor, Tensor>
    {
        private readonly Parameter _shift;

        public Gate(int width)
            : base(nameof(Gate)) => register_parameter("shift", _shift = Parameter(zeros(width)));

        public override Tensor forward(Tensor x) => functional.relu(x, inplace: true) + _shift;
    }
}
