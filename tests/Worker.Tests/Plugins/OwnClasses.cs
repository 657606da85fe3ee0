using Distributed.Worker.Abstractions;
using static TorchSharp.torch;

#pragma warning disable CS9113, CA1812 // Only the constructors matter.
namespace Distributed.Worker.Tests.Plugins
{
    /// <summary>Records its arguments.</summary>
    public sealed class Recorder(
        int inputs, int outputs, int channels, int height, long width, int hiddenWidth, IReadOnlyList<int>? sizes = null,
        double[]? scales = null, double rate = 0.1, float share = 0.25f, string title = "none", bool? flag = null)
        : nn.Module(nameof(Recorder))
    {
        public int Inputs => inputs;

        public int Outputs => outputs;

        public int Channels => channels;

        public int Height => height;

        public long Width => width;

        public int HiddenWidth => hiddenWidth;

        public IReadOnlyList<int>? Sizes => sizes;

        public IReadOnlyList<double>? Scales => scales;

        public double Rate => rate;

        public float Share => share;

        public string Title => title;

        public bool? Flag => flag;
    }

    /// <summary>Uses the weight of its second layer before it calls that layer.</summary>
    public sealed class Borrower : nn.Module<Tensor, Tensor>
    {
        private readonly nn.Module<Tensor, Tensor> _first, _output;
        private readonly TorchSharp.Modules.Linear _second;

        public Borrower(int inputs, int outputs) : base(nameof(Borrower))
        {
            (_first, _second, _output) = (nn.Linear(inputs, inputs), nn.Linear(inputs, inputs), nn.Linear(inputs, outputs));
            RegisterComponents();
        }

        public override Tensor forward(Tensor input) =>
            _output.call(_second.call(_first.call(nn.functional.linear(input.flatten(1), _second.weight!))));
    }

    public sealed class Broken() : nn.Module(Throw())
    {
        private static string Throw() => throw new ArgumentException("no such luck.");
    }

    public abstract class Half() : nn.Module(nameof(Half));

    public sealed class Nothing;

    public sealed class Odd(Version version) : nn.Module(nameof(Odd));

    public sealed class Ambiguous : nn.Module
    {
        public Ambiguous() : base(nameof(Ambiguous))
        {
        }

        public Ambiguous(int inputs) : base($"{inputs}")
        {
        }
    }

    public sealed class OwnTask(DataSet samples, double weight = 1) : SupervisedTask(samples)
    {
        public double Weight => weight;

        public override int Metrics => 1;

        protected override Tensor LossSum(Tensor output, Tensor targets, Span<double> metrics) => output.sum();
    }
}

namespace Distributed.Worker.Tests.Plugins.First
{
    public sealed class Twin() : nn.Module(nameof(Twin));
}

namespace Distributed.Worker.Tests.Plugins.Second
{
    public sealed class Twin() : nn.Module(nameof(Twin));
}
