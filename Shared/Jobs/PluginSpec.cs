namespace Distributed.Jobs;

/// <summary>A model out of a library that the workers were started with: a class derived from torch's nn.Module.</summary>
internal sealed record PluginSpec : ModelSpec
{
    /// <summary>Name of the class, with its namespace or without.</summary>
    public string Class { get; init; } = "";

    /// <summary>What its constructor is called with, beside what the data gives.</summary>
    public ValueList<Setting> Settings { get; init; } = [];

    public override string Summarize() => $"{Class} of a plugin";
}

/// <summary>A model out of a TorchScript file, which each worker has at this path. Its parameters are those to begin with.</summary>
internal sealed record TorchScriptSpec : ModelSpec
{
    /// <summary>Path of the file, seen from where a worker was started.</summary>
    public string File { get; init; } = "";

    /// <summary>SHA-256 of the file in lower-case hexadecimal; null only until a run begins.</summary>
    public string? Sha256 { get; init; }

    public override string Summarize() => $"TorchScript of {File}";
}

/// <summary>A task out of a library that the workers were started with.</summary>
internal sealed record PluginTaskSpec
{
    /// <summary>Name of the class, with its namespace or without.</summary>
    public string Class { get; init; } = "";

    /// <summary>What its first metric is called; the mean over the test samples is what the result is judged by.</summary>
    public string Metric { get; init; } = "metric";

    /// <summary>What its constructor is called with, beside the data.</summary>
    public ValueList<Setting> Settings { get; init; } = [];
}
