namespace Distributed.Jobs;

/// <summary>What a model is trained to make small, as a job names it.</summary>
internal static class Losses
{
    /// <summary>Softmax, and the negative logarithm of what it gives the right class.</summary>
    public const string CrossEntropy = "cross-entropy";

    /// <summary>The same for one of two classes and a sigmoid.</summary>
    public const string BinaryCrossEntropy = "binary-cross-entropy";

    /// <summary>Two networks against each other: one tells real samples from made ones, the other makes them (Goodfellow et al. 2014).</summary>
    public const string Adversarial = "adversarial";

    /// <summary>That of a task of the user's own.</summary>
    public const string OfPlugin = "plugin";

    public const string L2 = "l2";

    public const string L1 = "l1";

    /// <summary>Of boxes in images: whether there is one, what is in it, and how far it is off.</summary>
    public const string Boxes = "boxes";
}
