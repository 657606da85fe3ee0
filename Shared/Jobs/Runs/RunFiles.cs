namespace Distributed.Jobs.Runs;

internal static class RunFiles
{
    public const string Job = "job.yaml";
    public const string Data = "data.json"; // A DataDescription.
    public const string Model = "model.safetensors";
    public const string TorchScript = "model.pt"; // The trained model as TorchScript, if the job's model is one.
    public const string History = "history.csv";
    public const string Evaluations = "evaluations.csv";
    public const string Events = "events.jsonl"; // One line of JSON per event.
    public const string LossPicture = "loss.png";
    public const string Picture = "examples.png"; // The trained model's outputs for test samples, for tasks that have such a picture.
    public const string Report = "report.json"; // The figures of a finished run.
    public const string Checkpoints = "checkpoints";
}
