namespace Distributed.Jobs.Runs;

/// <summary>Names of the files in a run's folder.</summary>
internal static class RunFiles
{
    public const string Job = "job.yaml";

    /// <summary>What the data is like: a <see cref="DataDescription"/>.</summary>
    public const string Data = "data.json";

    public const string Model = "model.safetensors";

    /// <summary>The trained model as TorchScript, where it has begun as that.</summary>
    public const string TorchScript = "model.pt";

    public const string History = "history.csv";

    public const string Evaluations = "evaluations.csv";

    /// <summary>One line of JSON for each thing that has happened.</summary>
    public const string Events = "events.jsonl";

    public const string LossPicture = "loss.png";

    /// <summary>What the trained model makes of test samples, for tasks that have such a picture.</summary>
    public const string Picture = "examples.png";

    /// <summary>The run in numbers, once it is finished.</summary>
    public const string Report = "report.json";

    public const string Checkpoints = "checkpoints";
}
