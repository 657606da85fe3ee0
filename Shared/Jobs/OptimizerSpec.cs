using static System.FormattableString;
using static Distributed.Jobs.Allow;

namespace Distributed.Jobs;

internal abstract record OptimizerSpec
{
    /// <summary>The name and the most important setting, for people.</summary>
    public abstract string Summarize();
}

/// <summary>Tries parameters and keeps the best by their loss on the step's batch: no gradient, no learning rate.</summary>
internal abstract record SearchSpec : OptimizerSpec;

internal sealed record RandomSearchSpec : SearchSpec
{
    /// <summary>The standard deviation of the normal distribution around 0 from which each parameter is drawn.</summary>
    public double Scale { get; init; } = 1;

    public override string Summarize() => Invariant($"random-search, scale {Scale}");

    internal static Kind<OptimizerSpec> Keys { get; } = Kind<OptimizerSpec>.Of<RandomSearchSpec>("random-search", (f, search) =>
        search with { Scale = f.Value("scale", search.Scale, Positive) });
}

/// <summary>Moves the best parameters at random in each step.</summary>
internal sealed record LocalSearchSpec : SearchSpec
{
    public double StepSize { get; init; } = 0.1; // The standard deviation of the normal noise that is added to each parameter.

    public override string Summarize() => Invariant($"local-search, step size {StepSize}");

    internal static Kind<OptimizerSpec> Keys { get; } = Kind<OptimizerSpec>.Of<LocalSearchSpec>("local-search", (f, search) =>
        search with { StepSize = f.Value("step-size", search.StepSize, Positive) });
}

/// <summary>The rule by which an averaged gradient changes the parameters.</summary>
internal abstract record GradientSpec : OptimizerSpec
{
    public double LearningRate { get; init; } // The base rate, which the schedule scales.
    public double WeightDecay { get; init; } // Added to the gradient (L2) for sgd and adam, decoupled from it for adamw.
}

/// <summary>Stochastic gradient descent, as torch.optim.SGD defines it.</summary>
internal sealed record SgdSpec : GradientSpec
{
    public SgdSpec() => LearningRate = 0.01;

    public double Momentum { get; init; }
    public bool Nesterov { get; init; } // Nesterov's momentum (Sutskever et al. 2013); needs a momentum greater than 0.

    public override string Summarize() => Invariant($"sgd, learning rate {LearningRate}");

    internal static Kind<OptimizerSpec> Keys { get; } = Kind<OptimizerSpec>.Of<SgdSpec>("sgd", (f, optimizer) =>
    {
        double momentum;
        return optimizer with
        {
            LearningRate = f.Value("learning-rate", optimizer.LearningRate, Positive),
            Momentum = momentum = f.Value("momentum", optimizer.Momentum, NonNegative),
            Nesterov = f.Value("nesterov", optimizer.Nesterov, momentum > 0 ? Flag : Off("momentum is 0")),
            WeightDecay = f.Value("weight-decay", optimizer.WeightDecay, NonNegative),
        };
    });
}

/// <summary>What Adam and AdamW have in common, with PyTorch's defaults.</summary>
internal abstract record AdamFamilySpec : GradientSpec
{
    protected AdamFamilySpec() => LearningRate = 0.001;

    public double Beta1 { get; init; } = 0.9; // Decay of the running mean of the gradient.
    public double Beta2 { get; init; } = 0.999; // Decay of the running mean of the squared gradient.

    public double Epsilon { get; init; } = 1e-8; // Added to the denominator, which is otherwise 0 for a parameter without gradient.

    private protected static T KeysOf<T>(Fields f, T optimizer) where T : AdamFamilySpec => optimizer with
    {
        LearningRate = f.Value("learning-rate", optimizer.LearningRate, Positive),
        Beta1 = f.Value("beta1", optimizer.Beta1, BelowOne),
        Beta2 = f.Value("beta2", optimizer.Beta2, BelowOne),
        Epsilon = f.Value("epsilon", optimizer.Epsilon, Positive),
        WeightDecay = f.Value("weight-decay", optimizer.WeightDecay, NonNegative),
    };
}

/// <summary>Adam (Kingma and Ba 2015), as torch.optim.Adam defines it.</summary>
internal sealed record AdamSpec : AdamFamilySpec
{
    public override string Summarize() => Invariant($"adam, learning rate {LearningRate}");

    internal static Kind<OptimizerSpec> Keys { get; } = Kind<OptimizerSpec>.Of<AdamSpec>("adam", KeysOf);
}

/// <summary>AdamW (Loshchilov and Hutter 2019), as torch.optim.AdamW defines it.</summary>
internal sealed record AdamWSpec : AdamFamilySpec
{
    public AdamWSpec() => WeightDecay = 0.01;
    public override string Summarize() => Invariant($"adamw, learning rate {LearningRate}");

    internal static Kind<OptimizerSpec> Keys { get; } = Kind<OptimizerSpec>.Of<AdamWSpec>("adamw", KeysOf);
}
