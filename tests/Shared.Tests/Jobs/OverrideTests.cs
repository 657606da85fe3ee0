using System.Text.RegularExpressions;
using Distributed.Jobs;

namespace Distributed.Shared.Tests.Jobs;

public sealed class OverrideTests
{
    private const string File = """
        task: classification
        data: digits
        model: cnn
        epochs: 15
        batch: 64
        optimizer:
          name: sgd
          learning-rate: 0.05
        clip-norm: 1.0
        """;

    [Fact]
    public void A_setting_overrides_the_file() => Assert.Equal(
        JobFile.Parse(File, "x.yaml") with { Optimizer = new SgdSpec { LearningRate = 0.1 }, Seed = 7, ClipNorm = null },
        JobFile.Parse(File, "x.yaml", ["optimizer.learning-rate=0.1", "seed=7", "clip-norm=null"]));

    [Fact]
    public void A_setting_may_be_a_whole_section_or_list() => Assert.Equal(
        JobFile.Parse(File, "x.yaml") with { Model = new CnnSpec { Dropout = 0.2, Channels = [8] } },
        JobFile.Parse(File, "x.yaml", ["model={name: cnn, dropout: 0.2}", "model.channels=[8]"]));

    [Fact]
    public void A_setting_below_a_name_keeps_the_name() => Assert.Equal(
        JobFile.Parse(File, "x.yaml") with { Model = new CnnSpec { Dropout = 0.1, Hidden = 5 } },
        JobFile.Parse(File, "x.yaml", ["model.dropout=0.1", "model.hidden=5"]));

    [Fact]
    public void Settings_below_an_absent_section_create_it() => Assert.Equal(
        JobFile.Parse(File, "x.yaml") with { Schedule = new StepSpec { Factor = 0.5 } },
        JobFile.Parse(File, "x.yaml", ["schedule.name=step", "schedule.factor=0.5"]));

    [Fact]
    public void The_last_of_equal_settings_wins() => Assert.Equal(2, JobFile.Parse(File, "x.yaml", ["epochs=1", "epochs=2"]).Epochs);

    [Fact]
    public void Every_job_can_be_made_from_another_by_settings() => Gen.Select(JobGen.Job, JobGen.Job).Sample((from, to) =>
    {
        // The canonical text of a job as settings: a key without indentation starts one, and takes the indented lines with it.
        var settings = Regex.Split(JobFile.Format(to), @"\n(?! |$)")
            .Select(setting => setting.TrimEnd('\n').Split(':', 2))
            .Select(setting => $"{setting[0]}={setting[1]}");
        Assert.Equal(to, JobFile.Parse(JobFile.Format(from), "from", settings));
    });

    [Theory]
    [InlineData("optimizer.learning-rate=-0.1",
        "--set optimizer.learning-rate=-0.1: optimizer.learning-rate is -0.1; allowed: a number greater than 0")]
    [InlineData("epochs=null", "--set epochs=null: epochs is null; allowed: a whole number from 0 to 2147483647")]
    [InlineData("epochs=", "--set epochs=: epochs is empty; allowed: a whole number from 0 to 2147483647")]
    [InlineData("epochs.x=1", "--set epochs.x=1: epochs is a section of keys; allowed: a whole number from 0 to 2147483647")]
    [InlineData("model.norm=true",
        "--set model.norm=true: model.norm is not a known key; allowed: name, channels, hidden, batch-norm, dropout")]
    [InlineData("schedule.warmup-steps=5", "--set schedule.warmup-steps=5: schedule.name is missing; allowed: constant, step or cosine")]
    [InlineData("model={name: cnn, name: mlp}",
        "--set model={name: cnn, name: mlp}: name is given again, first at --set model={name: cnn, name: mlp}; allowed: once")]
    [InlineData("epochs", "--set epochs: this is not a setting; allowed: key=value, for example optimizer.learning-rate=0.1")]
    [InlineData("=3", "--set =3: this is not a setting; allowed: key=value, for example optimizer.learning-rate=0.1")]
    [InlineData("model..hidden=3",
        "--set model..hidden=3: this is not a setting; allowed: key=value, for example optimizer.learning-rate=0.1")]
    [InlineData("a.a.a.a.a.a.a.a.a=3",
        "--set a.a.a.a.a.a.a.a.a=3: this is not a setting; allowed: key=value, for example optimizer.learning-rate=0.1")]
    public void A_wrong_setting_is_reported_as_itself(string setting, string message) => Assert.Equal(message, Error(File, setting));

    [Fact]
    public void A_setting_inside_a_list_is_refused() => Assert.Equal(
        "--set model.channels.0=3: the key before the last dot holds a list; "
        + "allowed: to set the whole list, for example model.channels=[32, 64]",
        Error(File, "model={name: cnn, channels: [3]}", "model.channels.0=3"));

    [Fact]
    public void A_setting_that_is_not_YAML_is_reported_as_itself() =>
        Assert.StartsWith("--set model={name: this is not YAML: ", Error(File, "model={name"), StringComparison.Ordinal);

    [Fact]
    public void An_unknown_key_after_a_change_of_kind_is_reported_in_the_file() => Assert.Equal(
        "x.yaml:8: optimizer.momentum is not a known key; allowed: name, learning-rate, beta1, beta2, epsilon, weight-decay",
        Error(File.Replace("learning-rate", "momentum", StringComparison.Ordinal), "optimizer.name=adam"));

    private static string Error(string yaml, params string[] settings) =>
        Assert.Throws<JobException>(() => JobFile.Parse(yaml, "x.yaml", settings)).Message;
}
